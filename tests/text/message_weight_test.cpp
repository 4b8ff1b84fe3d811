// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/message_weight.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "support/catch.hpp"

using posttrain::text::own_weight;

TEST_CASE("A message overrides its role by weight or loss_weight, 0 or 1") {
  CHECK(own_weight({{"weight", 1}}) == true);
  CHECK(own_weight({{"weight", 0.0}}) == false);
  CHECK(own_weight({{"loss_weight", 0}}) == false);
  CHECK(own_weight({{"weight", nullptr}, {"loss_weight", 1}}) == true);
  CHECK(own_weight({{"weight", 0}, {"loss_weight", 1}}) == false);
  CHECK(own_weight({{"content", "x"}}) == std::nullopt);
  CHECK(own_weight("x") == std::nullopt);
  CHECK_THROWS_WITH(own_weight({{"weight", 0.5}}),
                    Catch::Contains("a message's 'weight' to be 0 or 1, got 0.5"));
}
