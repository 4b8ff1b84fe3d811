// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/error.hpp"

#include <stdexcept>
#include <string>

#include "support/catch.hpp"

namespace posttrain {
namespace {

constexpr int checked(int value) {
  if (value < 0) fail("value must be at least 0");
  return value;
}

TEST_CASE("raise formats its message and throws Error") {
  REQUIRE_THROWS_WITH(raise("expected {} rows, got {}; hint: {}", 3, 4, "count"),
                      "expected 3 rows, got 4; hint: count");
  REQUIRE_THROWS_AS(raise("x"), Error);
  REQUIRE_THROWS_AS(raise("x"), std::runtime_error);
}

TEST_CASE("what a message quotes does not break its line") {
  CHECK(one_line("a\nb\x7f\tü") == "a<0a>b<7f><09>ü");
  try {
    raise("no key '{}'", "a\r\nb");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "no key 'a<0d><0a>b'");
  }
}

TEST_CASE("a message of any length keeps its start and its hint") {
  std::string quoted;
  for (int i = 0; i < 5000; ++i) quoted += "ü";
  for (const char* before : {"key", "keys"}) {  // whole characters, wherever the cuts fall
    try {
      raise("{} '{}' is unknown; hint: another", before, quoted);
    } catch (const Error& error) {
      const std::string text = error.what();
      CHECK(text.size() <= kLongestMessage);
      CHECK(text.size() > kLongestMessage - 8);
      CHECK(text.starts_with(std::string(before) + " 'üü"));
      CHECK(text.ends_with("üü' is unknown; hint: another"));
      CHECK(text.find("üü […] üü") != std::string::npos);
    }
  }
  CHECK(shortened("short") == "short");
}

TEST_CASE("fail throws its literal at run time and a good value is a constant expression") {
  static_assert(checked(2) == 2);
  REQUIRE_THROWS_WITH(checked(-1), "value must be at least 0");
}

}  // namespace
}  // namespace posttrain
