// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/split.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

using posttrain::text::SplitBehavior;

namespace {

std::vector<std::string> split(std::string_view text, SplitBehavior behavior, bool invert = false) {
  std::vector<std::string> parts;
  posttrain::text::split_by(
      text.size(), behavior, invert,
      [&](auto&& visit) {
        for (std::size_t i = 0; i < text.size(); ++i) {
          if (text[i] == '-') visit(i, i + 1);
        }
      },
      [&](std::size_t begin, std::size_t end) {
        parts.emplace_back(text.substr(begin, end - begin));
      });
  return parts;
}

}  // namespace

TEST_CASE("Splits know every behaviour") {
  const std::string text = "a--b-";
  using List = std::vector<std::string>;
  CHECK(split(text, SplitBehavior::kRemoved) == List{"a", "b"});
  CHECK(split(text, SplitBehavior::kIsolated) == List{"a", "-", "-", "b", "-"});
  CHECK(split(text, SplitBehavior::kMergedWithPrevious) == List{"a-", "-", "b-"});
  CHECK(split(text, SplitBehavior::kMergedWithNext) == List{"a", "-", "-b", "-"});
  CHECK(split(text, SplitBehavior::kContiguous) == List{"a", "--", "b", "-"});
  CHECK(split(text, SplitBehavior::kRemoved, true) == List{"-", "-", "-"});
}

TEST_CASE("A behavior is read by name, Isolated where there is none") {
  const auto behavior_of = [](const nlohmann::json& description) {
    return posttrain::text::split_behavior({description, "pre_tokenizer"});
  };
  CHECK(behavior_of(nlohmann::json::object()) == SplitBehavior::kIsolated);
  CHECK(behavior_of({{"behavior", "MergedWithNext"}}) == SplitBehavior::kMergedWithNext);
  CHECK_THROWS_WITH(behavior_of({{"behavior", "Dropped"}}),
                    Catch::Contains("the split behavior 'Dropped' is not supported"));
}
