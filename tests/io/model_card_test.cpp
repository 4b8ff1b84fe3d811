// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/model_card.hpp"

#include "posttrain/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;
using posttrain::io::code_span;
using posttrain::io::is_own_model_card;
using posttrain::io::ModelCard;
using posttrain::io::put_model_card;
using posttrain::io::read_model_card;

namespace fs = std::filesystem;

namespace {

ModelCard some_card() {
  ModelCard card{.library_name = "peft",
                 .pipeline_tag = "text-generation",
                 .base_model = "org/name",
                 .base_model_relation = "adapter",
                 .language = {"en", "no"},
                 .license = "apache-2.0",
                 .tags = {"posttrain"},
                 .body = "Trained.\n"};
  card.add_tag("lora");
  card.add_tag("posttrain");
  return card;
}

}  // namespace

TEST_CASE("a card is a header of YAML, a mark, a title and a text", "[io][model_card]") {
  const std::string text = some_card().text("tuned-1");
  const std::size_t mark = text.find("<!-- ");
  REQUIRE(mark != text.npos);
  CHECK(text.substr(0, mark) ==
        "---\n"
        "library_name: peft\n"
        "model_name: tuned-1\n"
        "base_model: org/name\n"
        "base_model_relation: adapter\n"
        "pipeline_tag: text-generation\n"
        "language:\n- en\n- \"no\"\n"
        "license: apache-2.0\n"
        "tags:\n- posttrain\n- lora\n"
        "---\n\n");
  const std::size_t end = text.find('\n', mark);
  CHECK(text.substr(end) == "\n\n# tuned-1\n\nTrained.\n");
  // A relation to nothing says nothing.
  ModelCard alone = some_card();
  alone.base_model.clear();
  CHECK_FALSE(contains(alone.text("a"), "relation"));
}

TEST_CASE("a card is ours until someone changes it", "[io][model_card]") {
  const std::string text = some_card().text("tuned");
  CHECK(is_own_model_card(text));
  for (std::size_t i = 0; i < text.size(); i += 7) {
    std::string changed = text;
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    INFO(i);
    CHECK_FALSE(is_own_model_card(changed));
  }
  CHECK_FALSE(is_own_model_card(text + "My notes.\n"));
  CHECK_FALSE(is_own_model_card(text.substr(0, text.size() - 1)));
  CHECK_FALSE(is_own_model_card("# A model of mine\n"));
  CHECK_FALSE(is_own_model_card(""));
}

TEST_CASE("whatever a name holds, it stays one value and one line", "[io][model_card]") {
  const auto header_of = [](std::string_view name) {
    ModelCard card;
    card.body = "x";
    const std::string text = card.text(name);
    CHECK(is_own_model_card(text));
    return text.substr(4, text.find("\n---\n") - 4);
  };
  CHECK(header_of("v1") == "model_name: v1");
  CHECK(header_of("1.5") == "model_name: \"1.5\"");
  CHECK(header_of("Yes") == "model_name: \"Yes\"");
  CHECK(header_of("a: \"b\" \\ # c") == "model_name: \"a: \\\"b\\\" \\\\ # c\"");
  CHECK(header_of("a\n---\nb") == "model_name: \"a\\u000a---\\u000ab\"");
  CHECK(header_of("caf\xc3\xa9 \xf0\x9f\x98\x80") ==
        "model_name: \"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
  CHECK(header_of("\xff\x7f\xc2\x85\xe2\x80\xa8") ==
        "model_name: \"\xef\xbf\xbd\\u007f\\u0085\\u2028\"");
  CHECK(code_span("a b") == "`a b`");
  CHECK(code_span("a`b``c") == "```a`b``c```");
  CHECK(code_span("`a\nb`") == "`` `a b` ``");
  CHECK(code_span(" \n") == "(nothing)");
  CHECK(code_span("\xff") == "`\xef\xbf\xbd`");
}

TEST_CASE("languages and licence are read from a header of another hand", "[io][model_card]") {
  const ModelCard card = read_model_card(
      "\n---\r\nlicense: other  # see below\r\nlicense_name: 'my terms'\r\n"
      "license_link: https://x.org/a#b\r\nlanguage:\r\n- en\r\n\r\n  - \"no\"\r\n- de # German\r\n"
      "model-index:\r\n- name: x\r\n  license: mit\r\n---\r\n# Title\r\nlicense: bsd\r\n");
  CHECK(card.license == "other");
  CHECK(card.license_name == "my terms");
  CHECK(card.license_link == "https://x.org/a#b");
  CHECK(card.language == std::vector<std::string>{"en", "no", "de"});
  CHECK(card.empty());
  CHECK(read_model_card("---\nlanguage: en\n---").language == std::vector<std::string>{"en"});
  CHECK(read_model_card("---\nlanguage: [en, 'fr']\nlicenses: x\n---\n").language ==
        std::vector<std::string>{"en", "fr"});
  const ModelCard own = read_model_card(some_card().text("tuned"));
  CHECK(own.language == some_card().language);
  CHECK(own.license == "apache-2.0");
}

TEST_CASE("of other forms of a header nothing is taken over", "[io][model_card]") {
  for (const char* value :
       {"license: |\n  mit\n  or so", "license: >-\n  mit", "license: &a mit", "license: *a",
        "license: {a: b}", "license: [mit, bsd]", "license:\n  name: mit", "license: mit\n  or so",
        "license: \"a\\x41\"", "license: 'it''s'", "license: \"mit", "license:", "license: ~",
        "license: null", "license: a: b", "license:\n- [a]", "license:\n- - a", "license: [a",
        "license: !x y"}) {
    INFO(value);
    CHECK(read_model_card("---\n" + std::string(value) + "\n---\n").license.empty());
  }
  for (const char* text : {"license: mit\n", "# T\n---\nlicense: mit\n---\n", "---\nlicense: mit\n",
                           "", "---", "----\nlicense: mit\n---\n", " ---\nlicense: mit\n---\n"}) {
    INFO(text);
    CHECK(read_model_card(text).license.empty());
  }
}

TEST_CASE("what stands in the folder is kept unless it is ours", "[io][model_card]") {
  const TempFolder scratch;
  fs::create_directories(scratch / "target");
  int count = 0;
  /// README.md of the folder that takes the place of `target`; "none" where it has none.
  const auto put = [&](const ModelCard& card) -> std::string {
    const fs::path folder = scratch / std::to_string(++count);
    fs::create_directories(folder);
    put_model_card(folder, scratch / "target", card);
    const fs::path file = folder / "README.md";
    if (fs::is_symlink(file)) return "-> " + fs::read_symlink(file).string();
    return fs::exists(file) ? slurp(file) : "none";
  };
  const std::string own = some_card().text("target");
  CHECK(put({}) == "none");
  CHECK(put(some_card()) == own);
  ModelCard older = some_card();
  older.body = "Before.\n";
  scratch.write("target/README.md", older.text("target"));
  CHECK(put(some_card()) == own);
  CHECK(put({}) == "none");  // it would tell of other weights
  for (const std::string& theirs : {std::string("# Mine\r\n\xff\0 bytes", 16), std::string(),
                                    older.text("target") + "Mine.\n"}) {
    scratch.write("target/README.md", theirs);
    CHECK(put(some_card()) == theirs);
    CHECK(put({}) == theirs);
  }
  fs::remove(scratch / "target/README.md");
  fs::create_symlink("../elsewhere.md", scratch / "target/README.md");
  CHECK(put(some_card()) == "-> ../elsewhere.md");
  fs::remove(scratch / "target/README.md");
  fs::create_directories(scratch / "target/README.md/below");
  scratch.write("target/README.md/below/a.md", "theirs");
  const fs::path folder = scratch / "whole";
  fs::create_directories(folder);
  put_model_card(folder, scratch / "target", some_card());
  CHECK(slurp(folder / "README.md/below/a.md") == "theirs");
}
