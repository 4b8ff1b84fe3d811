// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/template_forms.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "posttrain/text/chat_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/tiny_renderer.hpp"

using namespace posttrain::text;
using posttrain::Error;
using posttrain::Json;
using posttrain::test::tiny_renderer;

namespace {

const char* const kCalls =
    "{% for m in messages %}{{ m.role }}:{{ m.content }}{% for c in m.tool_calls %}"
    "{{ c.function.name }}(ARGUMENTS){% endfor %}<|im_end|>\n{% endfor %}";

std::string with_arguments(const std::string& printed) {
  std::string source = kCalls;
  return source.replace(source.find("ARGUMENTS"), 9, printed);
}

Json calling(const Json& arguments) {
  return {{{"role", "user"}, {"content", "Tide?"}},
          {{"role", "assistant"},
           {"content", ""},
           {"tool_calls",
            {{{"type", "function"}, {"function", {{"name", "tide"}, {"arguments", arguments}}}}}}},
          {{"role", "tool"}, {"content", "high"}},
          {{"role", "assistant"}, {"content", "High."}}};
}

/// What the template prints of the messages in the forms that it takes.
std::string adapted_text(const ChatRenderer& chat, const Json& messages,
                         const Json& tools = nullptr, bool parse_arguments = true) {
  const auto adapted = TemplateForms().adapted(chat, messages, tools, parse_arguments);
  return chat.render(adapted ? *adapted : messages, tools, false);
}

std::string arguments_in(const std::string& template_part, const Json& arguments,
                         bool parse_arguments = true) {
  const std::string text = adapted_text(tiny_renderer(with_arguments(template_part)),
                                        calling(arguments), nullptr, parse_arguments);
  const std::size_t begin = text.find("tide(") + 5;
  return text.substr(begin, text.find(")<|im_end|>") - begin);
}

}  // namespace

TEST_CASE("Arguments that are the text of an object are parsed for a template of objects") {
  const char* json = "{{ c.function.arguments | tojson }}";
  CHECK(arguments_in(json, R"({"hour": 12})") == R"({"hour": 12})");
  CHECK(arguments_in(json, R"({"hour": 12})", false) == R"("{\"hour\": 12}")");
  CHECK(arguments_in("{% for k, v in c.function.arguments | items %}{{ k }}={{ v }};{% endfor %}",
                     R"({"b": 1, "a": 2})") == "b=1;a=2;");
  CHECK(arguments_in(json, "") == "{}");
  CHECK(arguments_in(json, {{"hour", 12}}) == R"({"hour": 12})");
}

TEST_CASE("Parsed arguments keep the order of their keys and every digit") {
  CHECK(arguments_in("{{ c.function.arguments | tojson }}",
                     R"({"z":9223372036854775807,"a":1.0,"m":-0.5,"z2":"ä","n":null})") ==
        R"({"z": 9223372036854775807, "a": 1.0, "m": -0.5, "z2": "ä", "n": null})");
  CHECK_THROWS_WITH(
      arguments_in("{{ c.function.arguments | tojson }}", R"({"z": 2000000000000000000000})"),
      Catch::Contains("2000000000000000000000"));
  CHECK(arguments_in("{{ c.function.arguments }}", R"({"z": 2000000000000000000000})") ==
        R"({"z": 2000000000000000000000})");
}

TEST_CASE("A template that prints a text as it stands gets the text") {
  const char* text = R"({"hour":12})";
  CHECK(arguments_in("{{ c.function.arguments }}", text) == text);
  CHECK(arguments_in("{{ '```' + c.function.arguments + '```' }}", text) == "```{\"hour\":12}```");
  const char* both =
      "{{ c.function.arguments if c.function.arguments is string else c.function.arguments | "
      "tojson }}";
  CHECK(arguments_in(both, text) == text);
  CHECK(arguments_in(both, {{"hour", 12}}) == R"({"hour": 12})");
}

TEST_CASE("A text that is no JSON object stays a text") {
  const char* json = "{{ c.function.arguments | tojson }}";
  CHECK(arguments_in(json, "[1]") == "\"[1]\"");
  CHECK(arguments_in(json, "{broken") == "\"{broken\"");
  CHECK(arguments_in(json, "noon") == "\"noon\"");
}

TEST_CASE("Calls without OpenAI's nesting, and function_call, are adapted like the others") {
  const ChatRenderer chat = tiny_renderer(
      "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ c.arguments | tojson }}"
      "{% endfor %}{% if m.function_call %}{{ m.function_call.arguments | tojson }}{% endif %}"
      "<|im_end|>{% endfor %}");
  CHECK(adapted_text(chat, {{{"role", "assistant"},
                             {"content", ""},
                             {"tool_calls", {{{"name", "f"}, {"arguments", "{\"a\":1}"}}}}}}) ==
        "{\"a\": 1}<|im_end|>");
  CHECK(adapted_text(chat, {{{"role", "assistant"},
                             {"content", ""},
                             {"function_call", {{"name", "f"}, {"arguments", "{\"a\":1}"}}}}}) ==
        "{\"a\": 1}<|im_end|>");
}

TEST_CASE("Lists of texts are joined for a template of texts, and stay where it takes lists") {
  const auto content = [](const char* source, const Json& parts) {
    return adapted_text(
        tiny_renderer(std::string("{% for m in messages %}") + source + "<|im_end|>{% endfor %}"),
        {{{"role", "user"}, {"content", parts}}});
  };
  const Json parts = {{{"type", "text"}, {"text", "Name "}}, {{"type", "text"}, {"text", "it."}}};
  CHECK(content("{{ m.content + '' }}", parts) == "Name it.<|im_end|>");
  CHECK(content("{{ m.content }}", parts) == "Name it.<|im_end|>");
  CHECK(content("{{ m.content | tojson }}", parts) == "\"Name it.\"<|im_end|>");
  CHECK(content("{{ m.content }}", {"Name ", "it."}) == "Name it.<|im_end|>");
  CHECK(content("{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
                "<{{ p.text }}>{% endfor %}{% endif %}",
                parts) == "<Name ><it.><|im_end|>");
  const Json image = {{{"type", "text"}, {"text", "What?"}}, {{"type", "image"}}};
  CHECK_FALSE(TemplateForms()
                  .adapted(tiny_renderer("{% for m in messages %}{{ m.content }}{% endfor %}"),
                           {{{"role", "user"}, {"content", image}}}, nullptr)
                  .has_value());
}

TEST_CASE("A value in the wrong form does not hide the form of another") {
  const ChatRenderer chat = tiny_renderer(
      "{% for m in messages %}{{ m.role + ':' + m.content }}{% for c in m.tool_calls %}"
      "{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %}{% endfor %}"
      "<|im_end|>{% endfor %}");
  Json messages = calling(R"({"hour": 12})");
  for (Json& message : messages) {
    message["content"] = Json::array({{{"type", "text"}, {"text", message["content"]}}});
  }
  CHECK(adapted_text(chat, messages) ==
        "user:Tide?<|im_end|>assistant:hour=12<|im_end|>tool:high<|im_end|>assistant:High."
        "<|im_end|>");
}

TEST_CASE("Messages in the right forms are not copied") {
  const ChatRenderer chat = tiny_renderer(with_arguments("{{ c.function.arguments | tojson }}"));
  CHECK_FALSE(TemplateForms().adapted(chat, calling({{"hour", 12}}), nullptr).has_value());
}

TEST_CASE("Published templates print text arguments as they print the object, or the text itself") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/chat_templates");
  std::map<std::string, std::size_t> seen;
  const Json tools = Json::parse(
      R"([{"type": "function", "function": {"name": "tide", "description": "Tide",
          "parameters": {"type": "object", "properties": {"hour": {"type": "integer", "description": "of day"}},
                         "required": ["hour"]}}}])");
  const std::string text = R"({"hour":12,"at":"a b"})";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    INFO(entry.path().filename().string());
    std::ifstream file(entry.path());
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    const ChatRenderer chat =
        tiny_renderer(source).with_variables({{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    const auto attempt = [&](const Json& messages) {
      try {
        return chat.render(messages, tools, false);
      } catch (const Error&) {
        return std::string();
      }
    };
    Json with_text = calling(text), with_object = calling(Json::parse(text));
    for (Json* messages : {&with_text, &with_object}) {
      (*messages)[1]["tool_calls"][0]["id"] = (*messages)[2]["tool_call_id"] = "abcdefghi";
      (*messages)[2]["name"] = "tide";
    }
    const std::string as_text = attempt(with_text), as_object = attempt(with_object);
    CHECK_FALSE(TemplateForms().adapted(chat, with_object, tools).has_value());
    const auto adapted = TemplateForms().adapted(chat, with_text, tools);
    if (as_text.find(text) != std::string::npos) {
      CHECK_FALSE(adapted.has_value());
      ++seen["text"];
    } else if (as_object.find("a b") != std::string::npos) {
      REQUIRE(adapted.has_value());
      CHECK(*adapted == with_object);
      CHECK(attempt(*adapted) == as_object);
      ++seen["object"];
    }
  }
  CHECK(seen["text"] >= 15);
  CHECK(seen["object"] >= 40);
}
