// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/rendered_fields.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/tiny_renderer.hpp"

using namespace posttrain::text;
using posttrain::Json;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::tiny_renderer;

namespace {

const char* const kPlain =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}";

std::string refusal(const ChatRenderer& chat, const char* messages, const Json& tools = nullptr,
                    const Json& documents = nullptr) {
  return error_of([&] { RenderedFields().check(chat, Json::parse(messages), tools, documents); });
}

}  // namespace

TEST_CASE("A field that the template leaves out is named with its message") {
  const ChatRenderer plain = tiny_renderer(kPlain);
  CHECK(
      refusal(plain, R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])")
          .empty());
  const std::string calls =
      refusal(plain, R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "",
                  "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]}])");
  CHECK(contains(calls,
                 "message 1: the chat template does not render its 'tool_calls' (role "
                 "'assistant')"));
  CHECK(contains(refusal(plain, R"([{"role": "assistant", "content": "b",
                                     "reasoning_content": "because"}])"),
                 "'reasoning_content'"));
  CHECK(refusal(plain, R"([{"role": "user", "content": "a", "tool_calls": [], "reasoning": null,
                            "function_call": {}}])")
            .empty());
}

TEST_CASE("A template that fails says why, instead of being said to leave a field out") {
  const ChatRenderer slow = tiny_renderer(
      "{% set a = 'a' * 900000 %}{% for i in range(90000) %}{{ a is eq(a ~ '') }}{% endfor %}"
      "{{ messages[0].content }}<|im_end|>");
  CHECK(contains(refusal(slow, R"([{"role": "user", "content": "a"}])"), "too many steps"));
  const ChatRenderer strict = tiny_renderer("{{ raise_exception('only system messages') }}");
  CHECK(contains(refusal(strict, R"([{"role": "user", "content": "a"}])"),
                 "line 1, column 19: only system messages"));
}

TEST_CASE("A role that the template leaves out is named, one that it knows is not") {
  const ChatRenderer some = tiny_renderer(
      "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}{{ m.content }}<|im_end|>"
      "{% endif %}{% endfor %}");
  CHECK(contains(refusal(some, R"([{"role": "user", "content": "a"},
                                   {"role": "critic", "content": "no"}])"),
                 "message 1: the chat template does not render its 'content' (role 'critic')"));
}

TEST_CASE(
    "Reasoning that a template drops from earlier turns is shown while its turn is the last") {
  const ChatRenderer dropping = tiny_renderer(
      "{% for m in messages %}{% if m.reasoning and loop.last %}<{{ m.reasoning }}>{% endif %}"
      "{{ m.content }}<|im_end|>{% endfor %}");
  CHECK(refusal(dropping, R"([{"role": "user", "content": "a"},
                              {"role": "assistant", "content": "b", "reasoning": "r"},
                              {"role": "user", "content": "c"}])")
            .empty());
}

TEST_CASE("Tools, documents and parts must be rendered, images are not supported") {
  const ChatRenderer plain = tiny_renderer(kPlain);
  const char* hello = R"([{"role": "user", "content": "a"}])";
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  CHECK(contains(refusal(plain, hello, tools), "does not render the sample's 'tools'"));
  CHECK(contains(refusal(plain, hello, nullptr, Json::parse(R"([{"text": "d"}])")),
                 "does not render the sample's 'documents'"));
  const ChatRenderer both = tiny_renderer(
      "{% for t in tools %}{{ t.function.name }}{% endfor %}"
      "{% for d in documents %}{{ d.text }}{% endfor %}{{ messages[0].content }}");
  const Json documents = Json::parse(R"([{"text": "d"}])");
  CHECK(refusal(both.with_variables({{"documents", documents}}), hello, tools, documents) == "");
  CHECK(refusal(plain,
                R"([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}])") ==
        "message 0: images are not supported, only text is (its content has a part of type "
        "'image_url'); hint: remove the part, or the sample");
}

TEST_CASE("What was proved once is not rendered again") {
  const ChatRenderer once = tiny_renderer(kPlain);
  const RenderedFields fields;
  const Json messages = Json::parse(R"([{"role": "user", "content": "a"}])");
  fields.check(once, messages, nullptr, nullptr);
  const ChatRenderer blind = tiny_renderer("nothing");
  CHECK_NOTHROW(fields.check(blind, messages, nullptr, nullptr));  // the proof is of the template
  CHECK_THROWS(RenderedFields().check(blind, messages, nullptr, nullptr));
}

TEST_CASE("Images, audio and videos are told by the type of a part or by its key") {
  const ChatRenderer plain = tiny_renderer(kPlain);
  const auto part = [&](const char* json) {
    return refusal(plain,
                   (std::string(R"([{"role": "user", "content": [)") + json + "]}]").c_str());
  };
  CHECK(contains(part(R"({"type": "text", "text": "a"}, {"type": "image"})"),
                 "message 0: images are not supported"));
  CHECK(contains(part(R"({"image": "x.png"})"), "message 0: images are not supported"));
  CHECK(contains(part(R"({"type": "input_audio", "input_audio": {}})"),
                 "message 0: audio is not supported"));
  CHECK(contains(part(R"({"type": "video_url", "video_url": "x"})"),
                 "message 0: videos are not supported"));
  CHECK(contains(part(R"({"type": "file", "file": "x"})"),
                 "message 0: such parts are not supported, only text is (its content has a part of "
                 "type 'file')"));
}

TEST_CASE("A null content is named where it says nothing or the template takes only a text") {
  const char* const kCalls =
      "{% for c in m.tool_calls %}{{ c.function.name }}{% endfor %}<|im_end|>{% endfor %}";
  const ChatRenderer takes =
      tiny_renderer(std::string("{% for m in messages %}{{ m.content }}") + kCalls);
  const ChatRenderer needs =
      tiny_renderer(std::string("{% for m in messages %}{{ m.content + '' }}") + kCalls);
  const char* nothing =
      R"([{"role": "user", "content": "x"}, {"role": "assistant", "content": null}])";
  CHECK(refusal(takes, nothing) ==
        "message 1: content is null; hint: give it a text, or remove the message");
  CHECK(refusal(needs, nothing) == refusal(takes, nothing));
  const char* calls = R"([{"role": "user", "content": "x"}, {"role": "assistant", "content": null,
      "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]},
      {"role": "tool", "content": "y"}])";
  CHECK(refusal(takes, calls).empty());
  CHECK(contains(refusal(needs, calls),
                 "message 1: content is null, and the chat template takes only a text ("));
  CHECK(contains(refusal(needs, calls), "hint: \"content\": \"\""));
  CHECK(contains(refusal(needs, R"([{"role": "assistant", "tool_calls":
                                     [{"type": "function", "function": {"name": "f"}}]}])"),
                 "message 0: content is missing, and the chat template takes only a text ("));
}

TEST_CASE("Where the template fails by itself, its own error is told") {
  const ChatRenderer strict = tiny_renderer(
      "{% for m in messages %}{{ m.content }}{% endfor %}{{ raise_exception('no') }}");
  CHECK(
      contains(refusal(strict, R"([{"role": "user", "content": "a"}])"), "chat template, line 1"));
}
