// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/registry.hpp"

#include <string>
#include <utility>

#include "jinja/render.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/function.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;
using posttrain::test::render;

namespace {

/// A program that includes no header of jinja/extra/, as long as this lives.
class WithoutExtras {
 public:
  WithoutExtras() : kept_(std::exchange(registry(), {})) {}
  ~WithoutExtras() { registry() = std::move(kept_); }
  WithoutExtras(const WithoutExtras&) = delete;
  WithoutExtras& operator=(const WithoutExtras&) = delete;

 private:
  Registry kept_;
};

constexpr const char* kHint = "hint: #include <posttrain/jinja/extra.hpp> in one file";

}  // namespace

TEST_CASE("Without jinja/extra.hpp, a template that needs it has one error that names it") {
  const WithoutExtras without;
  for (const char* filter : {"center", "filesizeformat", "pprint", "striptags", "truncate",
                             "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr"}) {
    INFO(filter);
    CHECK_FALSE(has_filter(filter));
    CHECK_THROWS_WITH(render(std::string("a\n{{ 'x'|") + filter + " }}"),
                      Catch::Contains(std::string("line 2, column 8: the filter '") + filter +
                                      "' is not built in; " + kHint));
  }
  for (const char* method : {"format", "format_map"}) {
    INFO(method);
    CHECK_THROWS_WITH(render(std::string("{{ '{}'.") + method + "(1) }}"),
                      Catch::Contains(std::string("the method '") + method +
                                      "' of str is not built in; " + kHint));
  }
  CHECK(render("{% if false %}{{ 'x'|urlize }}{{ '{}'.format(1) }}{% endif %}"
               "{{ 'urlize' is filter }}{{ ''.format is defined }}") == "FalseFalse");
}

TEST_CASE("Filters and methods of a program's own join in, behind those that are built in") {
  const WithoutExtras without;
  registry().add_filter("shout", [](Runtime&, const Value& input, const Arguments&) {
    return Value(input.text() + "!");
  });
  registry().add_filter("upper",
                        [](Runtime&, const Value&, const Arguments&) { return Value("never"); });
  registry().add_method("twice", [](const Value& self, const Arguments&) {
    return Value(self.text() + self.text());
  });
  CHECK(render("{{ 'a'|shout }}{{ 'a'|upper }}{{ 'ab'.twice() }}{{ ['a']|map('shout')|first }}") ==
        "a!Aababa!");
  CHECK(registry().filters().size() == 2);
  CHECK(registry().filter("nope") == nullptr);
}
