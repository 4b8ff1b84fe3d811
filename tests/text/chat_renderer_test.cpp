// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_renderer.hpp"

#include <string>

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
  chat.set_variable("style", "? ");
  CHECK(chat.render(hello(), nullptr, false) == "<s>? hello");
  chat.use_template("tool_use");
  CHECK(chat.render(hello(), nullptr, false) == "tools");
  CHECK_THROWS_WITH(chat.use_template("x"), Catch::Contains("only: default, tool_use"));
}
