// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/search.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

/// The least of five runs, in seconds.
template <class F>
double seconds(F&& f) {
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    least = std::min(least, took.count());
  }
  return least;
}

}  // namespace

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

TEST_CASE("Four times the text takes some four times as long, whatever it holds") {
  const auto forward = [](std::size_t n) {
    const std::string text(n, 'a'), part = std::string(n / 2, 'a') + "b";
    return seconds([&] { CHECK(find_text(text, part) == std::string_view::npos); });
  };
  const auto backward = [](std::size_t n) {
    const std::string text(n, 'a'), part = "b" + std::string(n / 2, 'a');
    return seconds([&] { CHECK(BackwardSearch(text, part).find(n) == std::string_view::npos); });
  };
  // Comparing anew at every byte would take 16 times as long.
  CHECK(forward(std::size_t{1} << 22U) < 10 * forward(std::size_t{1} << 20U));
  CHECK(backward(std::size_t{1} << 22U) < 10 * backward(std::size_t{1} << 20U));
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
