// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_template.hpp"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "posttrain/jinja/limits.hpp"
#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/timing.hpp"

using posttrain::Error;
using posttrain::Json;
using posttrain::text::ChatTemplate;

namespace {

std::string render(const std::string& source, const Json& context = Json::object()) {
  return ChatTemplate::parse(source).render(context);
}

}  // namespace

TEST_CASE("Errors are one line with a line number") {
  CHECK_THROWS_WITH(render("a\n{% if %}"), Catch::Contains("line 2"));
  CHECK_THROWS_WITH(render("{% for x in y %}"), Catch::Contains("endfor"));
  CHECK_THROWS_WITH(render("{{ 1 | nope }}"), Catch::Contains("'nope' is not supported"));
  CHECK_THROWS_WITH(render("{% do x %}"), Catch::Contains("'do' is not supported"));
  CHECK_THROWS_WITH(render("{{ raise_exception('a\nb') }}"),
                    Catch::Contains("line 1, column 19: a<0a>b"));
  CHECK_THROWS_WITH(render("{{ [].append(1) }}"), Catch::Contains("changes its object"));
  for (const char* source : {"{{",
                             "{{ 1",
                             "{% ",
                             "{#",
                             "{{ ( }}",
                             "{{ 'a }}",
                             "{{ 1 + }}",
                             "{% x %}",
                             "{{ ] }}",
                             "{{ a[ }}",
                             "{% set = 1 %}",
                             "{% endif %}",
                             "{{ a..b }}",
                             "{% break %}",
                             "{{ 1 / 0 }}",
                             "{{ 99999999999999999999 }}",
                             "{{ {1: }}",
                             "{% raw %}",
                             "{{ 'x'.index('y') }}",
                             "{{ 1[0]() }}"}) {
    INFO(source);
    CHECK_THROWS_AS(render(source), Error);
  }
}

TEST_CASE("What a rendering may cost follows its data, and a thread may render without end") {
  const std::string slow =
      "{% for i in range(90000) %}{% for j in range(3) %}{{ '' }}{% endfor %}{% endfor %}ok";
  const auto sample = [](std::size_t bytes) { return Json{{"text", std::string(bytes, 'a')}}; };
  CHECK_THROWS_WITH(render(slow, sample(100)),
                    Catch::Contains("line 1, column") && Catch::Contains("too many steps"));
  CHECK(render(slow, sample(20000)) == "ok");
  const std::int64_t steps = posttrain::text::jinja::budget().steps;
  const std::int64_t held = posttrain::text::jinja::budget().held;
  render("{{ text }}", sample(100000));
  CHECK(posttrain::text::jinja::budget().steps == steps);
  CHECK(posttrain::text::jinja::budget().held == held);
}

TEST_CASE("Messages of very many fields are rendered in linear time") {
  const ChatTemplate first = ChatTemplate::parse("{{ messages[0].k0 }} {{ v0 }}");
  const auto fields = [](const char* name, std::size_t n) {
    Json object = Json::object();
    auto& entries = object.get_ref<Json::object_t&>();
    for (std::size_t i = 0; i < n; ++i) entries.emplace_back(name + std::to_string(i), "x");
    return object;
  };
  CHECK(posttrain::test::is_linear(
      500, [&](std::size_t n) { return std::pair(Json::array({fields("k", n)}), fields("v", n)); },
      [&](const std::pair<Json, Json>& sample) {
        CHECK(first.render(sample.first, nullptr, false, sample.second) == "x x");
      }));
}

TEST_CASE("Generation blocks are transparent and mark what they wrote") {
  const auto rendered =
      ChatTemplate::parse(
          "{% for m in messages %}{{ m.role }}:{% generation %}{{ m.content }}"
          "{% endgeneration %};{% endfor %}")
          .render_marked(
              {{"messages",
                {{{"role", "a"}, {"content", "hi"}}, {{"role", "b"}, {"content", "you"}}}}});
  CHECK(rendered.text == "a:hi;b:you;");
  REQUIRE(rendered.generations.size() == 2);
  CHECK(rendered.generations[1] == std::pair<std::size_t, std::size_t>{7, 10});
}

TEST_CASE("A conversation's variables are those of apply_chat_template") {
  const auto chat = ChatTemplate::parse(
      "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}"
      "{{ messages[0].content is defined }}{{ messages[0].reasoning_content }}"
      "{{ messages[0].thinking }}{{ bos_token }}");
  const Json messages = {{{"role", "user"}, {"content", nullptr}, {"reasoning", "r"}}};
  CHECK(chat.render(messages, nullptr, true, {{"bos_token", "<s>"}}) == "TrueTrueTrueFalserr<s>");
  CHECK_THROWS_AS(chat.render(Json::array(), nullptr, false), Error);
  CHECK_THROWS_AS(chat.render({1}, nullptr, false), Error);
}

TEST_CASE("Published templates render as published") {
  POSTTRAIN_SHARED_OR_SKIP(path, "data/goldens/chat_templates_huggingface_js.json");
  std::ifstream file(path);
  const Json cases = Json::parse(file);
  for (const auto& [name, golden] : cases.items()) {
    if (name == "HuggingFaceTB/SmolLM3-3B") continue;  // it prints today's date
    INFO(name);
    CHECK(render(golden.at("chat_template").get<std::string>(), golden.at("data")) ==
          golden.at("target").get<std::string>());
  }
}
