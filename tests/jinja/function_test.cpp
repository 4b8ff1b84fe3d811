// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/function.hpp"

#include <cstdint>

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("An argument stands at its position or under its name") {
  const Arguments arguments{{Value(1), Value("t")}, {{"c", Value(true)}, {"d", Value(nullptr)}}};
  CHECK(need(arguments, 0, "a").integer() == 1);
  CHECK(text_argument(arguments, 1, "b") == "t");
  CHECK(flag_argument(arguments, 2, "c"));
  CHECK_FALSE(flag_argument(arguments, 9, "z"));
  CHECK(integer_argument(arguments, 3, "d", 7) == 7);  // None: as if it were not there
  CHECK(arguments.get(9, "z") == nullptr);
  CHECK_THROWS_WITH(need(arguments, 9, "z"), Catch::Contains("missing argument 'z'"));
  CHECK_THROWS_WITH(text_argument(arguments, 0, "a"),
                    Catch::Contains("expected a string for 'a', got int"));
}

TEST_CASE("Any callable is a function of templates") {
  int calls = 0;
  const Value f = Value::function("f", [&calls](Runtime&, const Arguments&) {
    ++calls;
    return Value(2);
  });
  CHECK(f.object().is_callable());
  CHECK(f.object().print() == "<function f>");
  CHECK_FALSE(f.object().attribute("x"));
  CHECK(f.depth() == 1);
  CHECK(calls == 0);
}
