// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/error.hpp"

#include <stdexcept>

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

TEST_CASE("a long message loses its middle, between characters") {
  for (int shift = 0; shift < 4; ++shift) {
    std::string quoted(static_cast<std::size_t>(shift), 'x');
    for (int i = 0; i < 2000; ++i) quoted += "ü";
    std::string text;
    try {
      raise("expected a name, got '{}'; hint: shorten it", quoted);
    } catch (const Error& error) {
      text = error.what();
    }
    CHECK(text.size() <= kLongestMessage);
    CHECK(text.size() > kLongestMessage - 8);
    CHECK(text.starts_with("expected a name, got '"));
    CHECK(text.ends_with("ü'; hint: shorten it"));
    CHECK(text.find("ü … ü") != text.npos);
  }
}

TEST_CASE("fail throws its literal at run time and a good value is a constant expression") {
  static_assert(checked(2) == 2);
  REQUIRE_THROWS_WITH(checked(-1), "value must be at least 0");
}

}  // namespace
}  // namespace posttrain
