// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/differences.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("what differs is named by its path", "[differences]") {
  const Json left = {{"loss", {{"type", "Dpo"}, {"beta", 0.1}}}, {"seed", 1}, {"only", true}};
  const Json right = {{"loss", {{"type", "Dpo"}, {"beta", 0.5}}}, {"seed", 1}, {"other", "x"}};
  CHECK(detail::differences(left, right, "the checkpoint", "this run") ==
        std::vector<std::string>{"loss.beta: the checkpoint has 0.1, this run 0.5",
                                 "only: the checkpoint has true, this run nothing",
                                 "other: the checkpoint has nothing, this run \"x\""});
  CHECK(detail::differences(left, left, "a", "b").empty());
}
