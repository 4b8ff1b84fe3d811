// SPDX-License-Identifier: Apache-2.0
// What a call of few queries over many keys computes: which parts by matrix products, in which
// pieces, and in which order a row's pieces become one result. No tensor is read here.
//
// Keys are cut into runs of fixed lengths, counted from a part's first key, so that neither the
// number of threads nor the rows beside it decide how a row's sums are formed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/nn/attention_plan.hpp"

namespace posttrain::detail {

/// Parts with at most this many queries go row by row where keys outnumber queries.
inline constexpr std::int64_t kFewQueries = 4;

/// Rows of a part over one of its runs, or several whose partial results are added up at once: a
/// piece of work, the same for each kv head. Rows have slots one after another.
struct CachedItem {
  std::int64_t part = 0;
  BlockRange rows{}, runs{};
  std::int64_t slot = 0;
};

/// A row's share of a part: `count` partial results, or (0) keys that are read in place.
struct CachedStep {
  std::int64_t part = 0, slot = 0, stride = 0, count = 0;
};

struct CachedPlan {
  static constexpr std::int64_t kTile = kAttentionBlock;  // keys of one product
  static constexpr std::int64_t kRun = 512;               // keys of a partial result of products
  static constexpr std::int64_t kRowRun = 1024;           // the same, of single rows
  static constexpr std::int64_t kColumns = 64;            // query rows × heads of one product

  std::vector<CachedItem> products, single;  // blocks of rows; one row each
  std::vector<CachedStep> steps;             // in the order of rows, then of parts
  std::vector<std::int64_t> first;           // [rows + 1]: a row's first step
  std::int64_t slots = 0;                    // partial results per query head
};

/// The keys of a part that rows [begin, end) of it see, at least one of them.
inline BlockRange seen_keys(const AttentionPart& part, std::int64_t window,
                            const BlockRange& rows) {
  // Both ends grow with the row.
  return {visible_keys(part, window, rows.begin).begin,
          visible_keys(part, window, rows.end - 1).end};
}

/// Whether a part's queries make operands of products; `group` query heads share a kv head.
inline bool takes_products(const AttentionPart& part, std::int64_t group) {
  return part.q1 - part.q0 > kFewQueries && group <= CachedPlan::kColumns;
}

inline CachedPlan plan_cached(const std::vector<AttentionPart>& parts, std::int64_t window,
                              std::int64_t queries, std::int64_t group) {
  CachedPlan plan;
  std::vector<std::vector<CachedStep>> steps(static_cast<std::size_t>(queries));
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const AttentionPart& part = parts[p];
    const std::int64_t rows = part.q1 - part.q0, keys = part.k1 - part.k0;
    if (rows <= 0 || keys <= 0) continue;
    const bool product = takes_products(part, group);
    const std::int64_t run = product ? CachedPlan::kRun : CachedPlan::kRowRun;
    const std::int64_t block = product ? CachedPlan::kColumns / group : 1;
    // Many rows are work for all threads already: the partial results of their runs are added up
    // at once instead of filling memory. The sums are the same.
    // Many rows are work for all threads already: the partial results of their runs are added up
    // at once instead of filling memory. The sums are the same.
    const bool folded = product && rows > 4 * block;
    const bool apart = product || keys > 2 * run;
    const std::int64_t stride = folded ? 0 : rows;
    for (std::int64_t q = part.q0; q < part.q1; q += block) {
      const BlockRange here{q, std::min(q + block, part.q1)};
      const BlockRange seen = seen_keys(part, window, here);
      if (seen.begin >= seen.end) continue;
      const BlockRange runs{(seen.begin - part.k0) / run, (seen.end - part.k0 + run - 1) / run};
      CachedStep step{static_cast<std::int64_t>(p), 0, stride, 0};
      if (apart) {
        step.count = folded ? 1 : runs.size();
        step.slot = plan.slots + runs.begin * stride + (q - part.q0);
        for (std::int64_t r = runs.begin; r < runs.end; r += runs.size() / step.count) {
          (product ? plan.products : plan.single)
              .push_back({step.part,
                          here,
                          {r, r + runs.size() / step.count},
                          step.slot + (r - runs.begin) * stride});
        }
      }
      for (std::int64_t row = here.begin; row < here.end; ++row, step.slot += apart) {
        steps[static_cast<std::size_t>(row)].push_back(step);
      }
    }
    if (apart) plan.slots += folded ? rows : rows * ((keys + run - 1) / run);
  }
  plan.first.push_back(0);
  for (const std::vector<CachedStep>& row : steps) {
    plan.steps.insert(plan.steps.end(), row.begin(), row.end());
    plan.first.push_back(static_cast<std::int64_t>(plan.steps.size()));
  }
  return plan;
}

}  // namespace posttrain::detail
