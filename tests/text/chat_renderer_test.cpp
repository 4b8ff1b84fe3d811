// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_renderer.hpp"

#include <string>

#include "posttrain/text/conversation.hpp"
#include "support/catch.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain::text;
using posttrain::Json;

namespace {

ChatRenderer renderer(const std::string& chat_template) {
  ChatFiles files;
  files.tokenizer =
      posttrain::test::byte_level({}, {"<|im_start|>", "<|im_end|>", "<|stop|>"}).dump();
  files.chat_template = chat_template;
  files.additional_templates = {{"tool_use", "tools"}};
  return ChatRenderer(files, Json::parse(R"({"bos_token": "<s>", "eos_token": "</s>"})"));
}

const Json& hello() {
  static const Json messages = Json::parse(R"([{"role": "user", "content": "hello"}])");
  return messages;
}

}  // namespace

TEST_CASE("The terminator is an added token, else the text behind the content, else eos_token") {
  const std::string open = "{% for m in messages %}{{ m.role }}: {{ m.content }}";
  CHECK(renderer(open + "<|im_end|>\n{% endfor %}").terminator() == "<|im_end|>");
  CHECK(renderer(open + " [end]\n{% endfor %}").terminator() == "[end]");
  CHECK(renderer(open + "\n\n{% endfor %}").terminator() == "\n\n");
  CHECK(renderer(open + "{% endfor %}").terminator() == "</s>");
  CHECK(renderer("{{ raise_exception('never') }}").terminator() == "</s>");
}

TEST_CASE("A turn that is left open while it is the last ends as it does once others follow") {
  const std::string start = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}";
  CHECK(
      renderer(start + "{% if not loop.last %}<|im_end|>\n{% endif %}{% endfor %}").terminator() ==
      "<|im_end|>");
  // The next role's marker ends a turn.
  CHECK(renderer(start + "{% endfor %}").terminator() == "<|im_start|>");
  const ChatRenderer open =
      renderer(start + "{% if not loop.last %}<|im_end|>\n{% endif %}{% endfor %}");
  const Json messages = Json::parse(
      R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
          {"role": "tool", "content": "c"}])");
  const Json upto = first_messages(messages, 2);
  CHECK(open.closing(upto, nullptr, 1, open.render(upto, nullptr, false)) == "<|im_end|>");
  CHECK(open.closing(messages, nullptr, 1, open.render(upto, nullptr, false)) == "<|im_end|>");
  CHECK(open.closing(upto, nullptr, 1, "another text").empty());
}

TEST_CASE("The tokenizer's end token in a turn's tail is the terminator, not what follows it") {
  ChatFiles files;
  files.tokenizer = posttrain::test::byte_level({}, {"<|im_start|>", "<|im_end|>"}).dump();
  files.chat_template =
      "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
      "<|im_start|>{% if add_generation_prompt %}assistant {% endif %}";
  CHECK(ChatRenderer(files, Json{{"eos_token", "<|im_end|>"}}).terminator() == "<|im_end|>");
}

TEST_CASE("Tokens that only tokenizer_config.json names are added as AutoTokenizer adds them") {
  ChatFiles files;
  files.tokenizer = posttrain::test::byte_level({}, {"<s>"}).dump();
  const auto ids = [&](const char* config) {
    return ChatRenderer(files, Json::parse(config)).tokenizer().encode("<x><y><z>");
  };
  CHECK(ids(R"({"added_tokens_decoder": {"257": {"content": "<x>", "special": false}},
                "pad_token": "<y>", "extra_special_tokens": {"end": "<z>"}})") ==
        posttrain::TokenIds{257, 258, 259});
  // A list of extra tokens stands for additional_special_tokens.
  CHECK(ids(R"({"extra_special_tokens": ["<z>", "<y>"], "additional_special_tokens": ["<x>"]})")
            .back() == 257);
  CHECK_THROWS_WITH(ids(R"({"added_tokens_decoder": {"300": {"content": "<x>"}}})"),
                    Catch::Contains("the added token '<x>' is said to have the id 300") &&
                        Catch::Contains("gives it 257"));
}

TEST_CASE("Variables and templates change the text and the fingerprint") {
  ChatRenderer chat = renderer("{{ bos_token }}{{ style }}{{ messages[0].content }}");
  CHECK(chat.has_template());
  CHECK(chat.bos_token() == "<s>");
  CHECK(chat.pad_token().empty());
  CHECK(chat.render(hello(), nullptr, false) == "<s>hello");
  CHECK(chat.render(hello(), Json::array(), false) == "tools");
  const std::string before = chat.fingerprint();
  const ChatRenderer own = chat.with_variables({{"style", "! "}});
  CHECK(own.render(hello(), nullptr, false) == "<s>! hello");
  CHECK(chat.render(hello(), nullptr, false) == "<s>hello");
  CHECK(own.fingerprint() != before);
  const ChatRenderer twice = own.with_variables({{"bos_token", "<b>"}, {"style", "? "}});
  CHECK(twice.render(hello(), nullptr, false) == "<b>? hello");
  CHECK(own.render(hello(), nullptr, false) == "<s>! hello");
  chat.set_variable("style", "? ");
  CHECK(chat.render(hello(), nullptr, false) == "<s>? hello");
  chat.use_template("tool_use");
  CHECK(chat.render(hello(), nullptr, false) == "tools");
  CHECK_THROWS_WITH(chat.use_template("x"), Catch::Contains("only: default, tool_use"));
}
