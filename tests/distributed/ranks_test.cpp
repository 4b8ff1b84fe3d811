// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/ranks.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/rank_threads.hpp"

using namespace posttrain;
using posttrain::test::error_of;

TEST_CASE("without a launcher there is one rank", "[ranks]") {
  const auto one =
      join_ranks({}, at::kCPU, EnvironmentVariables(EnvironmentVariables::Variables{}));
  CHECK(one->size() == 1);
  CHECK(one->rank() == 0);
}

TEST_CASE("a communicator of one's own goes before the launcher", "[ranks]") {
  const auto own = std::make_shared<Single>();
  const EnvironmentVariables launched(EnvironmentVariables::Variables{
      {"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "nowhere"}, {"MASTER_PORT", "1"}});
  CHECK(join_ranks({.over = own}, at::kCPU, launched) == own);
}

TEST_CASE("values of Ranks are checked", "[ranks]") {
  CHECK(error_of([] { Ranks{.timeout = 0.0}.validate(); }) ==
        "posttrain: Ranks.timeout must be positive");
  CHECK(error_of([] { Ranks{.patience = -1.0}.validate(); }) ==
        "posttrain: Ranks.patience must be positive");
  CHECK(error_of([] { Ranks{.bucket = 0}.validate(); }) ==
        "posttrain: Ranks.bucket must be at least 1 byte");
}
