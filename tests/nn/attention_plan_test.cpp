// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/attention_plan.hpp"

#include <cstdint>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using posttrain::attention_parts;
using posttrain::AttentionPart;
using posttrain::Segment;
using namespace posttrain::detail;

namespace {

using Pairs = std::set<std::pair<std::int64_t, std::int64_t>>;

/// Query and key rows that meet, by the definition of a part.
Pairs defined(const std::vector<AttentionPart>& parts, std::int64_t window) {
  Pairs pairs;
  for (const AttentionPart& part : parts) {
    for (std::int64_t q = part.q0; q < part.q1; ++q) {
      for (std::int64_t k = part.k0; k < part.k1; ++k) {
        const std::int64_t distance = part.qpos + (q - part.q0) - (part.kpos + (k - part.k0));
        if (part.causal && distance < 0) continue;
        if (window > 0 && distance >= window) continue;
        pairs.emplace(q, k);
      }
    }
  }
  return pairs;
}

/// The pairs of a plan's tiles, each row of a tile with its interval of keys.
Pairs planned(const AttentionPlan& plan, const std::vector<AttentionPart>& parts,
              std::int64_t window) {
  Pairs pairs;
  for (std::size_t q = 0; q < plan.q_blocks.size(); ++q) {
    for (const AttentionTile& tile : plan.by_query[q]) {
      const AttentionPart& part = parts[static_cast<std::size_t>(tile.part)];
      const BlockRange keys = plan.k_blocks[static_cast<std::size_t>(tile.block)];
      for (std::int64_t row = plan.q_blocks[q].begin; row < plan.q_blocks[q].end; ++row) {
        const BlockRange visible = visible_keys(part, window, row);
        for (std::int64_t key = std::max(keys.begin, part.k0); key < std::min(keys.end, part.k1);
             ++key) {
          const bool seen = key >= visible.begin && key < visible.end;
          if (tile.full) CHECK(seen);
          if (seen) CHECK(pairs.emplace(row, key).second);  // no pair in two tiles
        }
      }
    }
  }
  return pairs;
}

}  // namespace

TEST_CASE("the tiles of a plan are the pairs of its parts, each once", "[nn]") {
  const std::vector<Segment> forest{{0, 70, 230, 0},     {70, 90, 160, 70},  {90, 160, 160, 90},
                                    {160, 230, 230, 70}, {230, 231, 231, 0}, {231, 300, 300, 0}};
  for (const std::int64_t window : {0, 1, 5, 66, 130}) {
    INFO("window " << window);
    const auto parts = attention_parts(forest, window);
    const AttentionPlan plan = plan_attention(parts, window);
    CHECK(planned(plan, parts, window) == defined(parts, window));
    std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> by_query, by_key;
    for (std::size_t i = 0; i < plan.q_blocks.size(); ++i) {
      CHECK(plan.q_blocks[i].size() <= kAttentionBlock);
      for (const AttentionTile& tile : plan.by_query[i]) by_query.emplace(i, tile.block, tile.part);
    }
    for (std::size_t i = 0; i < plan.k_blocks.size(); ++i) {
      for (const AttentionTile& tile : plan.by_key[i]) by_key.emplace(tile.block, i, tile.part);
    }
    CHECK(by_query == by_key);
  }
}

TEST_CASE("blocks of queries that share no keys are components of their own", "[nn]") {
  const std::vector<Segment> packed{{0, 100, 100, 0}, {100, 101, 101, 0}, {101, 200, 200, 0}};
  const AttentionPlan plan = plan_attention(attention_parts(packed), 0);
  CHECK(plan.components.size() == 3);
  std::size_t queries = 0;
  for (const AttentionComponent& component : plan.components) queries += component.q_blocks.size();
  CHECK(queries == plan.q_blocks.size());
  CHECK(plan_attention({}, 0).components.empty());
  CHECK(plan_attention({{0, 0, 0, 5, false, 0, 0}}, 0).q_blocks.empty());
}

TEST_CASE("a query's keys and a key's queries are the same relation", "[nn]") {
  const AttentionPart part{3, 9, 20, 31, true, 7, 2};
  for (const std::int64_t window : {0, 1, 4}) {
    for (std::int64_t q = part.q0; q < part.q1; ++q) {
      for (std::int64_t k = part.k0; k < part.k1; ++k) {
        const BlockRange keys = visible_keys(part, window, q);
        const BlockRange queries = visible_queries(part, window, k);
        CHECK((k >= keys.begin && k < keys.end) == (q >= queries.begin && q < queries.end));
      }
    }
  }
  CHECK(visible_queries(part, 0, 31).size() == 0);
}
