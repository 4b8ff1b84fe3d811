// SPDX-License-Identifier: Apache-2.0
// Inputs that once went wrong, each under the name of its folder in the shared data: how it is
// read, and what has to come of it. The tests of the headers build inputs of the same kinds.
#include <string>
#include <vector>

#include "posttrain/data/documents.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;

namespace {

const char* const kPlain =
    "{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// As Qwen's: tools in the system message, calls as JSON of an object.
const char* const kTools =
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls %}"
    "{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

text::ChatTokenizer tokenizer(const std::string& chat_template) {
  text::ChatFiles files;
  files.tokenizer = test::byte_level({}, {"<s>", "<|im_start|>", "<|im_end|>"}).dump();
  files.tokenizer_config = R"({"bos_token": "<s>", "eos_token": "<|im_end|>"})";
  files.chat_template = chat_template;
  return text::ChatTokenizer(files);
}

/// The text of a sequence with the scored tokens in brackets.
std::string marked(const text::Tokenizer& chat, const Sequence& sequence) {
  std::string out;
  for (std::size_t i = 0, end = 0; i < sequence.ids.size(); i = end) {
    const auto scored = [&](std::size_t k) { return sequence.weights[k] != 0.0F; };
    while (end < sequence.ids.size() && scored(end) == scored(i)) ++end;
    const std::string run = chat.decode({sequence.ids.data() + i, end - i});
    out += scored(i) ? "[" + run + "]" : run;
  }
  return out;
}

/// The report and the marked samples of a supervised file, or the error.
std::string supervised(const std::string& path, const std::string& chat_template,
                       bool drop_nulls = false) {
  try {
    const text::ChatTokenizer chat = tokenizer(chat_template);
    const data::LoadedData loaded =
        Messages{.path = path, .drop_nulls = drop_nulls}.load({.text = &chat});
    std::string out = loaded.report.summary();
    for (std::size_t i = 0; i < loaded.train.size(); ++i) {
      out += marked(chat.tokenizer(), loaded.train[i]) + "\n";
    }
    return out;
  } catch (const Error& error) {
    return error.what();
  }
}

/// "prompt|chosen|rejected" of pairs, or the error.
std::string pairs(const std::string& path) {
  try {
    const text::ChatTokenizer chat = tokenizer(kPlain);
    std::string out;
    for (const AnswerPair& pair : data::load_pairs({.path = path}, {.text = &chat}).train) {
      out += chat.tokenizer().decode(pair.prompt) + "|" + chat.tokenizer().decode(pair.chosen.ids) +
             "|" + chat.tokenizer().decode(pair.rejected.ids);
    }
    return out;
  } catch (const Error& error) {
    return error.what();
  }
}

std::string token_ids(const std::string& model, const char* text) {
  try {
    const text::ChatTokenizer chat(text::read_chat_files(model));
    return fmt::format("{}", fmt::join(chat.tokenizer().encode(text), " "));
  } catch (const Error& error) {
    return error.what();
  }
}

std::string documents(const std::string& path) {
  const text::ChatTokenizer chat = tokenizer(kPlain);
  return test::error_of([&] { Documents{.path = path}.load({.text = &chat}); });
}

std::string tokenized(const std::string& path) {
  const data::LoadedData loaded = Tokenized{.path = path}.load({});
  return fmt::format("{} scored", loaded.report.scored);
}

struct Case {
  const char* input;  // FOLDER/FILE below data/failures
  std::string (*read)(const std::string& path);
  std::vector<const char*> expected;    // what stands in the result
  std::vector<const char*> unexpected;  // what does not
};

std::string plain(const std::string& path) { return supervised(path, kPlain); }
std::string tools(const std::string& path) { return supervised(path, kTools); }
std::string without_nulls(const std::string& path) { return supervised(path, kTools, true); }
std::string own_template(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return supervised(path, test::slurp(folder / "chat_template.jinja"));
}

const std::vector<Case> kCases = {
    {"token-masks-ignored/completion-mask.jsonl", tokenized, {"2 scored"}, {}},
    {"system-column-lost/supervised.jsonl",
     plain,
     {"<|im_start|>system\nAnswer in Latin.<|im_end|>", "[Salve<|im_end|>]"},
     {}},
    {"pair-prompt-under-another-key/input.jsonl",
     pairs,
     {"user\nWhich planet is largest?<|im_end|>", "Jupiter.<|im_end|>|", "Mars.<|im_end|>"},
     {}},
    {"pair-repeats-its-text-prompt/pairs.jsonl",
     pairs,
     {"Q: largest planet?\nA:| Jupiter<|im_end|>| Mars<|im_end|>"},
     {}},
    {"roles-by-other-names/messages.jsonl", plain, {"user\nName a tree.", "[Oak<|im_end|>]"}, {}},
    {"roles-by-other-names/sharegpt.jsonl", plain, {"user\nName a tree.", "[Oak<|im_end|>]"}, {}},
    {"splits-in-one-folder/data",
     plain,
     {"1 samples read", "without the held-out", "[Answer 0<|im_end|>]"},
     {"Answer 1", "Answer 2"}},
    {"not-utf8-as-documents/latin1.txt",
     documents,
     {"latin1.txt:1: expected UTF-8, got the byte 0xfc", "iconv -f latin1 -t utf-8"},
     {}},
    {"json-that-peers-read/nan.jsonl", plain, {"[Oak<|im_end|>]"}, {"NaN"}},
    {"json-that-peers-read/pretty.jsonl", plain, {"1 samples read", "[Oak<|im_end|>]"}, {}},
    {"integers-beyond-64-bits/chats.jsonl",
     tools,
     {"chats.jsonl:1: expected integers of 64 bits", "2000000000000000000000"},
     {"2e+21"}},
    {"last-turn-left-open/one-turn.jsonl", own_template, {"[The Elbe<|im_end|>]"}, {}},
    {"last-turn-left-open/two-turns.jsonl",
     own_template,
     {"[The Elbe<|im_end|>]", "[Lake Ladoga<|im_end|>]"},
     {}},
    {"terminator-behind-the-real-one/chats.jsonl", own_template, {"[The Elbe<|im_end|>]"}, {}},
    {"parts-the-template-ignores/tool-call.jsonl",
     plain,
     {"message 1: the chat template does not render its 'tool_calls'", "hint:"},
     {}},
    {"tool-arguments-as-text/chats.jsonl",
     tools,
     {R"([{"name": "tide", "arguments": {"hour": 12}}<|im_end|>])"},
     {}},
    {"nulls-from-tables/chats.jsonl",
     tools,
     {"keeps the null fields inside calls and schemas of tools (3); hint: drop_nulls = true",
      R"("city": null)"},
     {}},
    {"nulls-from-tables/chats.jsonl",
     without_nulls,
     {R"([{"name": "tide", "arguments": {"hour": 12}}<|im_end|>])"},
     {"\"city\""}},
    {"messages-that-do-not-help/null-content.jsonl",
     plain,
     {"null-content.jsonl:1: message 1: content is null; hint: give it a text"},
     {}},
    {"messages-that-do-not-help/text-parts.jsonl",
     plain,
     {"user\nName a tree.<|im_end|>", "[Oak<|im_end|>]"},
     {}},
    {"messages-that-do-not-help/image-part.jsonl",
     plain,
     {"image-part.jsonl:1: message 0: images are not supported"},
     {}},
    {"messages-that-do-not-help/output-list.jsonl",
     pairs,
     {"user\nGreet<|im_end|>", "|Hello<|im_end|>|Go away<|im_end|>"},
     {}},
    {"messages-that-do-not-help/output-list.jsonl",
     plain,
     {"got preference pairs (output: the preferred answer, the other one)"},
     {}},
    {"tokens-outside-tokenizer-json/model",
     [](const std::string& path) { return token_ids(path, "a <think> b"); },
     {"3 8 4"},
     {}},
    {"added-token-with-a-wrong-id/model",
     [](const std::string& path) { return token_ids(path, "a b [new]"); },
     {"3 4 8"},
     {}},
    {"regex-plus-behind-interval/model",
     [](const std::string& path) { return token_ids(path, "123456"); },
     {"7"},
     {"3"}},
};

}  // namespace

TEST_CASE("Inputs that went wrong act, or are named in one line") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/failures");
  for (const Case& input : kCases) {
    INFO(input.input);
    const std::string path = test::shared_path(std::string("data/failures/") + input.input);
    REQUIRE_FALSE(path.empty());
    const std::string result = input.read(path);
    INFO(result);
    for (const char* text : input.expected) CHECK(test::contains(result, text));
    for (const char* text : input.unexpected) CHECK_FALSE(test::contains(result, text));
    CHECK_FALSE(test::contains(result, "json.exception"));
  }
}

TEST_CASE("What stands behind the real terminator of a turn stops no generation") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/failures/terminator-behind-the-real-one");
  const text::ChatTokenizer chat =
      tokenizer(test::slurp(std::filesystem::path(folder) / "chat_template.jinja"));
  CHECK(chat.terminator() == "<|im_end|>");
  CHECK(chat.eos_ids().size() == 1);
}
