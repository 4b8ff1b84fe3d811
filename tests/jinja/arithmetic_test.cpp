// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/arithmetic.hpp"

#include <cstdint>
#include <limits>
#include <string>

#include "posttrain/jinja/print.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

std::string result(const Value& a, const char* op, const Value& b) {
  return print(binary_operation(op, a, b));
}

}  // namespace

TEST_CASE("Division rounds down and the remainder has the divisor's sign, as in Python") {
  CHECK(result(-7, "//", 2) == "-4");
  CHECK(result(-7, "%", 3) == "2");
  CHECK(result(7, "%", -3) == "-2");
  CHECK(result(-7.5, "//", 2) == "-4.0");
  CHECK(result(-7.5, "%", 2) == "0.5");
  CHECK(result(7, "/", 2) == "3.5");
  CHECK(result(4, "/", 2) == "2.0");
  for (const char* op : {"/", "//", "%"}) {
    CHECK_THROWS_WITH(result(1, op, 0), Catch::Contains("division by zero"));
    CHECK_THROWS_WITH(result(1.0, op, 0), Catch::Contains("division by zero"));
  }
}

TEST_CASE("Integers that do not fit into 64 bits are an error, not a wrong number") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  CHECK_THROWS_WITH(result(most, "+", 1), Catch::Contains("integer overflow"));
  CHECK_THROWS_WITH(result(least, "-", 1), Catch::Contains("integer overflow"));
  CHECK_THROWS_WITH(result(most, "*", 2), Catch::Contains("integer overflow"));
  CHECK_THROWS_WITH(result(least, "//", -1), Catch::Contains("integer overflow"));
  CHECK_THROWS_WITH(result(10, "**", 19), Catch::Contains("integer overflow"));
  CHECK(result(least, "%", -1) == "0");
  CHECK(result(2, "**", 62) == "4611686018427387904");
  CHECK(result(2, "**", -1) == "0.5");
  CHECK_THROWS_WITH(result(-8, "**", 0.5), Catch::Contains("complex numbers"));
}

TEST_CASE("+ joins texts and lists, * repeats them, ~ joins what prints") {
  CHECK(result("a", "+", "b") == "ab");
  CHECK(result(List{1}, "+", List{2}) == "[1, 2]");
  CHECK(result("ab", "*", 2) == "abab");
  CHECK(result(2, "*", List{1}) == "[1, 1]");
  CHECK(result("ab", "*", -1) == "");
  CHECK(result("a", "~", nullptr) == "aNone");
  CHECK_THROWS_WITH(result("a", "+", 1), Catch::Contains("unsupported operand types for +"));
  CHECK_THROWS_WITH(result("x", "*", std::int64_t{1} << 40), Catch::Contains("a text of more"));
}

TEST_CASE("What joins markup is escaped") {
  CHECK(escape_markup("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&#34;");
  const Value joined = binary_operation("+", Value("<b>", true), "<");
  CHECK(joined.is_markup());
  CHECK(joined.text() == "<b>&lt;");
  CHECK(binary_operation("%", Value("<%s>", true), "<").text() == "<&lt;>");
  CHECK(escaped(Value("<", true)) == "<");
}
