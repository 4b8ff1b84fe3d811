// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cuda/flash_plan.hpp"

#include <set>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Pairs = std::multiset<std::pair<std::int64_t, std::int64_t>>;

/// The (query, key) pairs that meet, by the definition of parts.
Pairs of_parts(const std::vector<AttentionPart>& parts, std::int64_t window) {
  Pairs all;
  for (const AttentionPart& part : parts) {
    for (std::int64_t q = part.q0; q < part.q1; ++q) {
      for (std::int64_t k = part.k0; k < part.k1; ++k) {
        const std::int64_t distance = (part.qpos + q - part.q0) - (part.kpos + k - part.k0);
        if (part.causal && distance < 0) continue;
        if (window > 0 && distance >= window) continue;
        all.insert({q, k});
      }
    }
  }
  return all;
}

/// The same by the kernel's: aligned at the last query and the last key.
Pairs of_plan(const FlashPlan& plan, std::int64_t window) {
  Pairs all = of_parts(plan.rest, window);
  for (const FlashCall& call : plan.calls) {
    for (std::size_t s = 0; s + 1 < call.q_begins.size(); ++s) {
      const std::int64_t nq = call.q_begins[s + 1] - call.q_begins[s],
                         nk = call.k_begins[s + 1] - call.k_begins[s];
      CHECK(nq <= call.longest_q);
      CHECK(nk <= call.longest_k);
      for (std::int64_t i = 0; i < nq; ++i) {
        for (std::int64_t j = 0; j < nk; ++j) {
          if (call.left >= 0 && j < i + nk - nq - call.left) continue;
          if (call.right >= 0 && j > i + nk - nq + call.right) continue;
          all.insert({call.q_begins[s] + i, call.k_begins[s] + j});
        }
      }
    }
  }
  return all;
}

const std::vector<Segment> kForest{{0, 5, 14, 0},   {5, 8, 12, 5},   {8, 9, 9, 8},
                                   {9, 12, 12, 8},  {12, 14, 14, 5}, {14, 15, 15, 0},
                                   {15, 24, 30, 0}, {24, 30, 30, 9}};

}  // namespace

TEST_CASE("calls meet the pairs of the parts, each once", "[nn]") {
  for (const std::int64_t window : {0, 1, 2, 4, 9, 100}) {
    INFO("window " << window);
    const std::vector<AttentionPart> parts = attention_parts(kForest, window);
    CHECK(of_plan(flash_plan(parts, window, 30, 30), window) == of_parts(parts, window));
    const std::vector<AttentionPart> prefixed = attention_parts_after_prefix(kForest, 3, window);
    CHECK(of_plan(flash_plan(prefixed, window, 30, 33), window) == of_parts(prefixed, window));
    const std::vector<AttentionPart> cached{{0, 4, 0, 11, true, 7, 0}};
    CHECK(of_plan(flash_plan(cached, window, 4, 11), window) == of_parts(cached, window));
  }
}

TEST_CASE("all causal parts are one call, and full parts one for each depth", "[nn]") {
  const FlashPlan plan = flash_plan(attention_parts(kForest), 0, 30, 30);
  CHECK(plan.rest.empty());
  REQUIRE(plan.calls.size() == 3);
  CHECK(plan.calls[0].right == 0);
  CHECK(plan.calls[0].sequences() == 8);
  CHECK(plan.calls[1].right == -1);  // of roots
  CHECK(plan.calls[2].right == -1);  // of the segment below the first root
  CHECK(plan.calls[2].q_begins == std::vector<std::int32_t>{0, 8, 8, 12, 30, 30});
  CHECK(plan.calls[2].k_begins == std::vector<std::int32_t>{0, 0, 5, 8, 8, 30});
  for (const FlashCall& call : plan.calls) {
    CHECK(call.q_begins.back() == 30);
    CHECK(call.k_begins.back() == 30);
    CHECK(call.left == -1);
  }
}

TEST_CASE("a causal part that begins behind its keys' end is left to plain operations", "[nn]") {
  // The last query stands before the last key.
  const std::vector<AttentionPart> parts{{0, 2, 0, 6, true, 1, 0}};
  const FlashPlan plan = flash_plan(parts, 0, 2, 6);
  CHECK(plan.calls.empty());
  CHECK(plan.rest.size() == 1);
  CHECK(flash_plan({{0, 0, 0, 5, false, 0, 0}}, 0, 4, 5).calls.empty());
}
