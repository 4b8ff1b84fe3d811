// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/memory_estimate.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("what is held is what no step adds", "[estimate]") {
  const MemoryEstimate all{.weights = 1,
                           .gradients = 2,
                           .masters = 4,
                           .moments = 8,
                           .subspaces = 16,
                           .reference = 32,
                           .workspace = 64,
                           .activations = 128,
                           .head = 256};
  CHECK(all.held() == 63);
}

TEST_CASE("an estimate reads as a table", "[estimate]") {
  CHECK(MemoryEstimate{.weights = 1500000,
                       .gradients = 3000000,
                       .rollout_cache = 40000,
                       .low = 1100000000,
                       .mid = 1200000000,
                       .high = 1500000000}
            .text() ==
        "weights              1.5 MB\n"
        "gradients            3.0 MB\n"
        "rollout cache        0.0 MB\n"
        "peak 1.20 GB, from 1.10 to 1.50");
}
