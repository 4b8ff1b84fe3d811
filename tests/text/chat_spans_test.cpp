// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_spans.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/tiny_renderer.hpp"

using namespace posttrain::text;
using posttrain::Json;
using posttrain::test::tiny_renderer;

namespace {

const ChatRenderer& plain() {
  static const ChatRenderer made = tiny_renderer(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}assistant: {% endif %}");
  return made;
}

Json conversation() {
  return Json::parse(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                         {"role": "assistant", "content": "b"}, {"role": "user", "content": "b"},
                         {"role": "assistant", "content": "c"}])");
}

std::string cut(const std::string& text, ChatSpans::Bytes span) {
  return text.substr(span.begin, span.end - span.begin);
}

}  // namespace

TEST_CASE("A turn is its content and terminator, as the last of its conversation or within it") {
  const ChatSpans spans(plain());
  const auto turn = spans.last_turn(conversation(), nullptr, 2);
  CHECK(turn.text.ends_with("assistant: b<|im_end|>\n"));
  CHECK(cut(turn.text, turn.span) == "b<|im_end|>");
  const auto full = plain().render_marked(conversation(), nullptr);
  const auto found = spans.find_turn(conversation(), nullptr, 4, full);
  REQUIRE(found);
  CHECK(cut(full.text, *found) == "c<|im_end|>");
  CHECK(full.text.size() - found->end == 1);  // the newline behind it is the template's
}

TEST_CASE("Contents that are to be scored are found once each, without the system's") {
  const ChatSpans spans(plain());
  Json messages = conversation();
  const std::string full = plain().render(messages, nullptr, false);
  const auto found = spans.contents(messages, nullptr, 0, 5, full, true);
  REQUIRE(found.size() == 2);
  CHECK(cut(full, found[0]) == "a");
  CHECK(cut(full, found[1]) == "b");
  CHECK(found[1].begin > full.find("assistant: b"));  // the user's, not the assistant's
  CHECK(spans.contents(messages, nullptr, 0, 5, full, false).empty());
  messages[0]["weight"] = 1;
  messages[1]["weight"] = 0;
  const auto own = spans.contents(messages, nullptr, 0, 2, full, true);
  REQUIRE(own.size() == 1);
  CHECK(cut(full, own[0]) == "s");
}

TEST_CASE("A template that changes the prompt or a content is refused") {
  const ChatRenderer counting = tiny_renderer(
      "{{ messages|length }}{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>"
      "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
  CHECK_THROWS_WITH(ChatSpans(counting).last_turn(conversation(), nullptr, 2),
                    Catch::Contains("message 2: the chat template renders the messages before it"));
  const ChatRenderer upper = tiny_renderer(
      "{% for m in messages %}{{ m.role }}: {{ m.content|upper }}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}assistant: {% endif %}");
  const std::string full = upper.render(conversation(), nullptr, false);
  CHECK_THROWS_WITH(ChatSpans(upper).contents(conversation(), nullptr, 1, 2, full, true),
                    Catch::Contains("message 1: its content does not stand once"));
}
