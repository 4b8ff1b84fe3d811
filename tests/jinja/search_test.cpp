// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/search.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::text::jinja;
using posttrain::test::is_linear;

TEST_CASE("Searches find what std::string finds") {
  const std::string texts[] = {"", "a", "abcabcab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                               "xxabcdefghijklmnopqrstuvwxabcdefghijklmnopqrstuvwyy"};
  const std::string parts[] = {"",
                               "a",
                               "ab",
                               "b",
                               "cab",
                               "aaaaaaaaaaaaaaaaaaaaab",
                               "abcdefghijklmnopqrstuvw",
                               "zzzzzzzzzzzzzzzzzzzzzzzzz"};
  for (const std::string& text : texts) {
    for (const std::string& part : parts) {
      INFO(text << " / " << part);
      const BackwardSearch backward(text, part);
      for (std::size_t at = 0; at <= text.size() + 1; ++at) {
        CHECK(find_text(text, part, at) == std::string_view(text).find(part, at));
        CHECK(backward.find(at) == std::string_view(text).substr(0, at).rfind(part));
      }
    }
  }
}

TEST_CASE("A search takes linear time, whatever the text holds") {
  struct Case {
    std::string text, part;
  };
  // Comparing anew at every byte is quadratic in each.
  CHECK(is_linear(
      std::size_t{1} << 18U,
      [](std::size_t n) {
        return Case{std::string(n, 'a'), std::string(n / 2, 'a') + "b"};
      },
      [](const Case& c) { CHECK(find_text(c.text, c.part) == std::string_view::npos); }));
  CHECK(is_linear(
      std::size_t{1} << 18U,
      [](std::size_t n) {
        return Case{std::string(n, 'a'), "b" + std::string(n / 2, 'a')};
      },
      [](const Case& c) {
        CHECK(BackwardSearch(c.text, c.part).find(c.text.size()) == std::string_view::npos);
      }));
}

TEST_CASE("A search pays for what it reads") {
  const Account account;
  const std::string text(64000, 'a');
  find_text(text, "b");
  CHECK(budget().steps >= 4000);
  CHECK(budget().steps <= 4010);
  const std::int64_t before = budget().steps;
  find_text(text, "a");
  CHECK(budget().steps <= before + 1);
  BackwardSearch(text, std::string(100, 'b')).find(text.size());
  CHECK(budget().steps >= before + 4000);
}
