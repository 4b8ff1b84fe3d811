// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_tokenizer.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/mutations.hpp"
#include "support/shared_data.hpp"
#include "support/tiny_tokenizer.hpp"

using posttrain::Json;
using posttrain::Sequence;
using posttrain::TokenId;
using posttrain::TokenIds;
using posttrain::text::ChatFiles;
using posttrain::text::ChatTokenizer;
using posttrain::text::Conversation;
using posttrain::text::EncodedChat;
using posttrain::text::Turns;

namespace {

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// Drops the reasoning of all turns but the last, as Qwen3 does.
constexpr const char* kForgetful =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if loop.last and m.role == 'assistant' %}<think>{{ m.reasoning_content }}</think>{% endif "
    "%}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// Ends a whole conversation with another token, as Phi-3 does.
constexpr const char* kTwoEnds =
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% else %}{{ eos_token }}"
    "{% endif %}";

ChatFiles files(const std::string& chat_template) {
  ChatFiles out;
  out.tokenizer = posttrain::test::byte_level({"h e", "Ġ t", "\u010a \u010a"},
                                              {"<s>", "</s>", "<|im_start|>", "<|im_end|>"})
                      .dump();
  out.tokenizer_config = R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})";
  out.chat_template = chat_template;
  return out;
}

Json conversation() {
  return {{{"role", "system"}, {"content", "Be kind."}},
          {{"role", "user"}, {"content", "hello"}},
          {{"role", "assistant"}, {"content", "\nthe first"}},
          {{"role", "user"}, {"content", "user"}},
          {{"role", "assistant"}, {"content", "the second"}}};
}

Json reasoned() {
  Json messages = conversation();
  messages[2]["reasoning_content"] = "because";
  messages[4]["reasoning_content"] = "so";
  return messages;
}

std::string spoken(const ChatTokenizer& chat, const EncodedChat& encoded, std::size_t span) {
  const auto& s = encoded.assistant_spans.at(span);
  return chat.tokenizer().decode(
      TokenIds(encoded.ids.begin() + s.begin, encoded.ids.begin() + s.end));
}

std::string trained(const ChatTokenizer& chat, const Sequence& sequence) {
  std::string out;
  TokenIds run;
  for (std::size_t i = 0; i <= sequence.ids.size(); ++i) {
    if (i < sequence.ids.size() && sequence.weights[i] != 0) {
      run.push_back(sequence.ids[i]);
    } else if (!run.empty()) {
      out += chat.tokenizer().decode(run) + "|";
      run.clear();
    }
  }
  return out;
}

}  // namespace

TEST_CASE("Spans hold content and terminator, never the newline behind it [C8]", "[C8]") {
  const ChatTokenizer chat(files(kChatMl));
  CHECK(chat.terminator() == "<|im_end|>");
  const EncodedChat encoded = chat.encode(conversation());
  REQUIRE(encoded.assistant_spans.size() == 2);
  CHECK(spoken(chat, encoded, 0) == "\nthe first<|im_end|>");
  CHECK(spoken(chat, encoded, 1) == "the second<|im_end|>");
  CHECK(chat.tokenizer().decode(encoded.ids) == encoded.text);
}

TEST_CASE("A prompt's ids are those that inference sees [C11]", "[C11]") {
  // The content starts with newlines that a whole-text tokenizer would merge with the header's.
  const ChatTokenizer chat(files(kChatMl));
  Json messages = conversation();
  messages[2]["content"] = "\n\nthe first";
  const EncodedChat encoded = chat.encode(messages);
  const Json before = {messages[0], messages[1]};
  const TokenIds prompt = chat.encode(before, nullptr, true).ids;
  CHECK(prompt == chat.tokenizer().encode(chat.render(before, nullptr, true)));
  REQUIRE(encoded.assistant_spans[0].begin == static_cast<std::int64_t>(prompt.size()));
  CHECK(TokenIds(encoded.ids.begin(), encoded.ids.begin() + encoded.assistant_spans[0].begin) ==
        prompt);
  CHECK(chat.tokenizer().encode(encoded.text) != encoded.ids);
}

TEST_CASE("A rendered conversation has one BOS at most [C6]", "[C6]") {
  ChatFiles with_post_processor = files(kTwoEnds);
  auto tokenizer = nlohmann::json::parse(with_post_processor.tokenizer);
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {259}}}}}}};
  with_post_processor.tokenizer = tokenizer.dump();
  const ChatTokenizer chat(with_post_processor);
  const TokenIds ids = chat.encode(conversation()).ids;
  CHECK(ids[0] == 259);
  CHECK(ids[1] != 259);
  CHECK(chat.tokenizer().encode("x", true).size() == 2);
  const ChatTokenizer twice(files(std::string("{{ bos_token }}") + kTwoEnds));
  CHECK_THROWS_WITH(twice.encode(conversation()), Catch::Contains("two <s>"));
}

TEST_CASE("The end tokens are a set: configs, eos_token and the turn's terminator [C9]", "[C9]") {
  ChatFiles several = files(kTwoEnds);
  several.generation_config = R"({"eos_token_id": [5, 7]})";
  several.config = R"({"eos_token_id": 9})";
  const ChatTokenizer chat(several);
  CHECK(chat.terminator() == "<|im_end|>");
  CHECK(chat.eos_ids() == std::set<TokenId>{5, 7, 9, 260, 262});
  const EncodedChat encoded = chat.encode(conversation());
  CHECK(spoken(chat, encoded, 1) == "the second<|im_end|>");
  CHECK(encoded.ids.back() == 260);
}

TEST_CASE("A last turn that the template leaves open is closed as the others are [C8]", "[C8]") {
  const ChatTokenizer chat(
      files("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
            "{% if not loop.last or m.role != 'assistant' %}<|im_end|>\n{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"));
  CHECK(chat.eos_ids().contains(262));
  const Conversation two = Conversation::from({{"messages", conversation()}});
  CHECK(trained(chat, chat.training_sequences(two).at(0)) ==
        "\nthe first<|im_end|>|the second<|im_end|>|");
  for (const Sequence& turn : chat.training_sequences(two, Turns::each)) {
    CHECK(turn.ids.back() == 262);
    CHECK(turn.weights.back() == 1.0F);
  }
  CHECK(trained(chat, chat.training_sequences(two, Turns::last, true).at(0)) ==
        "hello|user|the second<|im_end|>|");
  // A look at the text shows what the template writes.
  const EncodedChat shown = chat.encode(conversation());
  CHECK(shown.text.ends_with("the second"));
  CHECK(spoken(chat, shown, 1) == "the second");
}

TEST_CASE("A turn whose end does not stop generation is refused [C9]", "[C9]") {
  const ChatTokenizer chat(
      files("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}"));
  CHECK_THROWS_WITH(chat.training_sequences(Conversation::from({{"messages", conversation()}})),
                    Catch::Contains("does not stop generation") && Catch::Contains("(</s>)"));
}

TEST_CASE("The terminator is trained also where it is the pad token [C7]", "[C7]") {
  ChatFiles padded = files(kChatMl);
  padded.tokenizer_config = R"({"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"})";
  const ChatTokenizer chat(padded);
  const Sequence sequence =
      chat.training_sequences(Conversation::from({{"messages", conversation()}})).at(0);
  std::int64_t ends = 0;
  for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
    ends += sequence.ids[i] == 262 && sequence.weights[i] == 1.0F;
  }
  CHECK(ends == 2);
}

TEST_CASE("A template that rewrites earlier turns is refused unless turns are apart [C12]",
          "[C12]") {
  const ChatTokenizer chat(files(kForgetful));
  CHECK(chat.terminator() == "<|im_end|>");
  const Json sample = {{"messages", reasoned()}};
  CHECK_THROWS_WITH(chat.training_sequences(Conversation::from(sample)),
                    Catch::Contains("turns = each"));
  const auto each = chat.training_sequences(Conversation::from(sample), Turns::each);
  REQUIRE(each.size() == 2);
  CHECK(trained(chat, each[0]) == "<think>because</think>\nthe first<|im_end|>|");
  CHECK(trained(chat, each[1]) == "<think>so</think>the second<|im_end|>|");
  const auto last = chat.training_sequences(Conversation::from(sample), Turns::last);
  REQUIRE(last.size() == 1);
  CHECK(last[0].ids == each[1].ids);
  // For a look at the whole, spans are found where they can be.
  CHECK(chat.encode(reasoned()).assistant_spans.size() == 2);
}

TEST_CASE("A sample that trains nothing is an error [C10]", "[C10]") {
  const ChatTokenizer chat(files(kChatMl));
  const Json user = {{{"role", "user"}, {"content", "hello"}}};
  for (const Turns turns : {Turns::all, Turns::each, Turns::last}) {
    CHECK_THROWS_WITH(chat.training_sequences(Conversation::from({{"messages", user}}), turns),
                      Catch::Contains("trains no token"));
  }
  CHECK_THROWS_AS(chat.training_sequences(Conversation::from({{"messages", Json::array()}})),
                  posttrain::Error);
  CHECK_THROWS_AS(chat.training_sequences(Conversation::from({{"messages", {1}}})),
                  posttrain::Error);
  CHECK_THROWS_AS(chat.training_sequences(Conversation::from(Json::array())), posttrain::Error);
  CHECK_THROWS_WITH(ChatTokenizer(files("")).encode(user), Catch::Contains("no chat template"));
}

TEST_CASE("Unmask trains everything but system messages, the end only for the assistant") {
  const ChatTokenizer chat(files(kChatMl));
  Json sample = {{"messages", conversation()}, {"unmask", true}};
  CHECK(trained(chat, chat.training_sequences(Conversation::from(sample)).at(0)) ==
        "hello|\nthe first<|im_end|>|user|the second<|im_end|>|");
  sample["unmask"] = false;
  CHECK(trained(chat, chat.training_sequences(Conversation::from(sample)).at(0)) ==
        "\nthe first<|im_end|>|the second<|im_end|>|");
  const auto each = chat.training_sequences(Conversation::from(sample), Turns::each, true);
  CHECK(trained(chat, each.at(1)) == "user|the second<|im_end|>|");
}

TEST_CASE("Named templates: tool_use serves conversations with tools") {
  ChatFiles named = files("");
  Json config = Json::parse(named.tokenizer_config);
  config["chat_template"] = {{{"name", "default"}, {"template", kChatMl}},
                             {{"name", "tool_use"}, {"template", "tools"}}};
  named.tokenizer_config = config.dump();
  const ChatTokenizer chat(named);
  CHECK(chat.render(conversation(), Json::array({Json::object()}), false) == "tools");
  CHECK(chat.render(conversation(), nullptr, false).starts_with("<|im_start|>system"));
}

TEST_CASE("Named templates come from files of their own, too, and are chosen by name") {
  ChatFiles named = files(kChatMl);
  named.additional_templates = {{"rag",
                                 "{{ documents[0].text }}{{ style }}{% for m in messages %}"
                                 "{{ m.content }}<|im_end|>{% endfor %}"},
                                {"tool_use", "tools"}};
  ChatTokenizer chat(named);
  CHECK(chat.render(conversation(), Json::array(), false) == "tools");
  CHECK_THROWS_WITH(chat.use_template("x"), Catch::Contains("only: default, rag, tool_use"));
  chat.use_template("rag");
  const Json sample = {
      {"messages",
       {{{"role", "user"}, {"content", "hello"}}, {{"role", "assistant"}, {"content", "you"}}}},
      {"tools", Json::array()},
      {"documents", {{{"text", "the user "}}}},
      {"chat_template_kwargs", {{"style", "! "}}}};
  const Sequence sequence = chat.training_sequences(Conversation::from(sample)).at(0);
  CHECK(chat.tokenizer().decode(sequence.ids) == "the user ! hello<|im_end|>you<|im_end|>");
  CHECK(trained(chat, sequence) == "you<|im_end|>|");
  Json question = sample;
  question["messages"].erase(1);
  CHECK(chat.tokenizer().decode(chat.prompt_ids(Conversation::from(question))) ==
        "the user ! hello<|im_end|>");
  CHECK(chat.prompt_text(Conversation::from(question)) == "the user ! hello<|im_end|>");
  question.erase("chat_template_kwargs");
  CHECK(chat.tokenizer().decode(chat.prompt_ids(Conversation::from(question))) ==
        "the user hello<|im_end|>");
  named.additional_templates = {{"rag", "{{ x"}};
  CHECK_THROWS_WITH(ChatTokenizer(named), Catch::Contains("template 'rag': chat template, line 1"));
}

TEST_CASE("A terminator is a whole token where the last turn ends otherwise [C8]", "[C8]") {
  ChatFiles several = files(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
      "{{ '<|return|>' if loop.last and m.role == 'assistant' else '<|im_end|>' }}{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  CHECK(ChatTokenizer(several).terminator() == "<|return|>");  // not "<|"
  several.chat_template =
      "{% for m in messages %}{{ m.content }}<|end|>\n{% endfor %}"
      "{{ '<|user|>' if add_generation_prompt else '<|stop|>' }}";
  CHECK(ChatTokenizer(several).terminator() == "<|end|>");
  several.chat_template =
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}{{ eos_token }}";
  CHECK(ChatTokenizer(several).terminator() == "<|end|>");
}

TEST_CASE("Unmask trains the texts of contents in parts") {
  const ChatTokenizer chat(
      files("{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}"
            "{{ m.content }}{% else %}{% for p in m.content %}"
            "{{ p.text }}<s>{% endfor %}{% endif %}<|im_end|>\n"
            "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"));
  const Json user = {
      {"role", "user"},
      {"content",
       {{{"type", "text"}, {"text", "the user"}}, {{"type", "text"}, {"text", "hello"}}}}};
  const Json sample = {{"messages", {user, {{"role", "assistant"}, {"content", "you"}}}},
                       {"unmask", true}};
  CHECK(trained(chat, chat.training_sequences(Conversation::from(sample)).at(0)) ==
        "the user|hello|you<|im_end|>|");
}

TEST_CASE("Generation marks agree with the spans found by rendering") {
  const std::string marked =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n"
      "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
      "{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const ChatTokenizer chat(files(marked));
  const auto rendered = posttrain::text::ChatTemplate::parse(marked).render_marked(
      posttrain::text::ChatTemplate::context(conversation(), nullptr, false));
  const EncodedChat encoded = chat.encode(conversation());
  REQUIRE(rendered.generations.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto [begin, end] = rendered.generations[i];
    CHECK(spoken(chat, encoded, i) == rendered.text.substr(begin, end - begin));
  }
}

TEST_CASE("Generation marks tell the turns that rendering prefixes cannot") {
  // The first line depends on the generation prompt, so no prompt is the start of a turn.
  const auto body = [](const std::string& open, const std::string& close) {
    return "{{ 'ask' if add_generation_prompt else 'tell' }}\n{% for m in messages %}"
           "<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}" +
           open + "{{ m.content }}" + close +
           "<|im_end|>\n{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
           "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  };
  const ChatTokenizer plain(files(body("", "")));
  CHECK_THROWS_WITH(plain.training_sequences(Conversation::from({{"messages", conversation()}})),
                    Catch::Contains("so its prompt cannot be told"));
  const ChatTokenizer marked(files(body("{% generation %}", "{% endgeneration %}")));
  CHECK(trained(marked,
                marked.training_sequences(Conversation::from({{"messages", conversation()}}))[0]) ==
        "\nthe first<|im_end|>|the second<|im_end|>|");
  const EncodedChat encoded = marked.encode(conversation());
  REQUIRE(encoded.assistant_spans.size() == 2);
  CHECK(spoken(marked, encoded, 1) == "the second<|im_end|>");
}

TEST_CASE("Generation marks tell a turn that opens its conversation, and rewritten ones") {
  std::string forgetful = kForgetful;
  const std::string header = "{{ m.role }}\n";
  forgetful.replace(forgetful.find(header), header.size(), header + "{% generation %}");
  const std::string end = "{{ m.content }}<|im_end|>\n";
  forgetful.replace(forgetful.find(end), end.size(),
                    "{{ m.content }}<|im_end|>{% endgeneration %}\n");
  const ChatTokenizer chat(files(forgetful));
  const Json opened =
      Json::array({{{"role", "assistant"}, {"content", "the first"}, {"reasoning_content", "so"}}});
  CHECK(trained(chat, chat.training_sequences(Conversation::from({{"messages", opened}}))[0]) ==
        "<think>so</think>the first<|im_end|>|");
  // Such a turn has a span, but it is not what the assistant wrote: training it is refused.
  Json rewritten = opened;
  rewritten.push_back({{"role", "assistant"}, {"content", "z"}, {"reasoning_content", "y"}});
  CHECK(spoken(chat, chat.encode(rewritten), 0) == "the first<|im_end|>");
  CHECK_THROWS_WITH(chat.training_sequences(Conversation::from({{"messages", rewritten}})),
                    Catch::Contains("renders this assistant turn differently"));
}

TEST_CASE("Published templates: spans of every assistant turn, ending in the terminator") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/chat_templates/trl");
  const Json messages = {{{"role", "user"}, {"content", "hello"}},
                         {{"role", "assistant"}, {"content", "the first"}},
                         {{"role", "user"}, {"content", "again"}},
                         {{"role", "assistant"}, {"content", "the second"}}};
  for (const std::string name : {"qwen2_5", "llama3", "llama3_1", "phi3", "gemma"}) {
    INFO(name);
    std::ifstream file(folder + "/" + name + ".jinja");
    ChatFiles published = files({std::istreambuf_iterator<char>(file), {}});
    published.tokenizer =
        posttrain::test::byte_level({}, {"<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"})
            .dump();
    const ChatTokenizer chat(published);
    const EncodedChat encoded = chat.encode(messages);
    REQUIRE(encoded.assistant_spans.size() == 2);
    CHECK(spoken(chat, encoded, 0) == "the first" + chat.terminator());
    CHECK(spoken(chat, encoded, 1) == "the second" + chat.terminator());
    CHECK(trained(chat,
                  chat.training_sequences(Conversation::from({{"messages", messages}})).at(0)) ==
          "the first" + chat.terminator() + "|the second" + chat.terminator() + "|");
  }
}

TEST_CASE("Calls given as text are trained and prompted as the template takes them") {
  ChatTokenizer chat(
      files("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
            "{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}"
            "{% endfor %}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"));
  const Conversation calls(Json::parse(
      R"([{"role": "user", "content": [{"type": "text", "text": "tide"}, {"type": "text", "text": "?"}]},
          {"role": "assistant", "content": "", "tool_calls":
            [{"type": "function", "function": {"name": "tide", "arguments": "{\"hour\":12}"}}]}])"));
  CHECK(trained(chat, chat.training_sequences(calls).at(0)) == "tide{\"hour\": 12}<|im_end|>|");
  const TokenIds prompt = chat.prompt_ids(calls);
  CHECK(chat.tokenizer().decode(prompt) ==
        "<|im_start|>user\ntide?<|im_end|>\n<|im_start|>assistant\ntide{\"hour\": 12}<|im_end|>\n"
        "<|im_start|>assistant\n");
  CHECK(chat.prompt_text(calls) == chat.tokenizer().decode(prompt));
  CHECK(chat.prompt_text(calls, /*add_generation_prompt=*/false) + "<|im_start|>assistant\n" ==
        chat.prompt_text(calls));
  const std::string parsed = chat.fingerprint();
  chat.set_parse_arguments(false);
  CHECK(trained(chat, chat.training_sequences(calls).at(0)) ==
        "tide\"{\\\"hour\\\":12}\"<|im_end|>|");
  CHECK(chat.fingerprint() != parsed);
}

TEST_CASE(
    "Any other value in the files beside tokenizer.json loads, or is one line with the file") {
  ChatFiles good = files(kChatMl);
  good.chat_template.clear();
  good.tokenizer_config = R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "special": true},
      "added_tokens_decoder": {"260": {"content": "</s>", "special": true, "lstrip": false}},
      "extra_special_tokens": {"image_token": "<s>"}, "additional_special_tokens": ["<|im_end|>"],
      "chat_template": [{"name": "default", "template": "{{ messages[0].content }}"}]})";
  good.special_tokens_map = R"({"pad_token": {"content": "</s>"}, "unk_token": "<s>"})";
  good.generation_config = R"({"eos_token_id": [5, 7], "pad_token_id": -1})";
  good.config = R"({"eos_token_id": 9})";
  REQUIRE_NOTHROW(ChatTokenizer(good));
  std::size_t refused = 0;
  for (const auto& [member, name] :
       {std::pair(&ChatFiles::tokenizer_config, "tokenizer_config.json"),
        std::pair(&ChatFiles::special_tokens_map, "special_tokens_map.json"),
        std::pair(&ChatFiles::generation_config, "generation_config.json"),
        std::pair(&ChatFiles::config, "config.json")}) {
    const auto check = [&, field = member, file = name](const std::string& text,
                                                        const std::string& what) {
      INFO(file << what);
      ChatFiles changed = good;
      changed.*field = text;
      try {
        const ChatTokenizer chat(changed);
        chat.tokenizer().encode("a</s>b");
      } catch (const posttrain::Error& error) {
        ++refused;
        INFO(error.what());
        CHECK(posttrain::test::flaw(error.what(), file).empty());
      }
    };
    posttrain::test::for_each_mutation(Json::parse(good.*member), check);
  }
  CHECK(refused > 60);
}
