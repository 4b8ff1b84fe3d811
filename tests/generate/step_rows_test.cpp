// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/step_rows.hpp"

#include <set>

#include "posttrain/nn/attention_plan.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using posttrain::detail::PrefixNode;
using posttrain::detail::StepRows;

namespace {

using Seen = std::multiset<std::pair<std::int64_t, std::int64_t>>;  // (row, key row)

Seen seen(const std::vector<AttentionPart>& parts, std::int64_t window) {
  Seen all;
  for (const AttentionPart& part : parts) {
    for (std::int64_t q = part.q0; q < part.q1; ++q) {
      const posttrain::detail::BlockRange keys = posttrain::detail::visible_keys(part, window, q);
      for (std::int64_t k = keys.begin; k < keys.end; ++k) all.insert({q, k});
    }
  }
  return all;
}

}  // namespace

TEST_CASE("rows see their ancestors and what precedes them, within the window", "[generate]") {
  // A prompt of five read tokens, below it one of three that is read now, and two samples: one
  // behind the first with four ids read, of which two more are read now, one behind the second.
  PrefixNode root, outer, inner;
  outer = PrefixNode{.parent = &root, .rows = {100, 5}, .position = 0, .read = 5};
  inner = PrefixNode{.parent = &outer, .ids = {7, 8, 9}, .rows = {20, 3}, .position = 5};
  const TokenIds pair{3, 4}, one{6};
  StepRows rows;
  const std::int64_t behind_outer = rows.rows();
  CHECK(rows.add({&outer, {40, 16}, 4, pair, 5, -1, true}) == 0);
  CHECK(rows.add({&outer, inner.rows, 0, inner.ids, 5, -1, true}) == 2);
  const std::int64_t behind_inner = rows.rows();
  CHECK(rows.add({&inner, {60, 16}, 0, one, 8, -1, true}) == 5);
  rows.see(inner, behind_inner);
  rows.see(outer, behind_outer);
  rows.see(root, 0);
  CHECK(rows.rows() == 6);

  struct Row {
    std::int64_t position;
    std::vector<std::pair<std::int64_t, std::int64_t>> keys;  // (position, row)
  };
  const auto keys_of =
      [](std::vector<std::array<std::int64_t, 3>> runs) {  // begin, count, position
        std::vector<std::pair<std::int64_t, std::int64_t>> keys;
        for (const auto& [begin, count, position] : runs) {
          for (std::int64_t i = 0; i < count; ++i) keys.emplace_back(position + i, begin + i);
        }
        return keys;
      };
  const std::vector<Row> expected{
      {9, keys_of({{100, 5, 0}, {40, 5, 5}})}, {10, keys_of({{100, 5, 0}, {40, 6, 5}})},
      {5, keys_of({{100, 5, 0}, {20, 1, 5}})}, {6, keys_of({{100, 5, 0}, {20, 2, 5}})},
      {7, keys_of({{100, 5, 0}, {20, 3, 5}})}, {8, keys_of({{100, 5, 0}, {20, 3, 5}, {60, 1, 8}})}};
  for (std::int64_t window = 0; window < 13; ++window) {
    Seen wanted;
    for (std::size_t row = 0; row < expected.size(); ++row) {
      for (const auto& [position, key] : expected[row].keys) {
        if (window == 0 || position > expected[row].position - window) {
          wanted.insert({static_cast<std::int64_t>(row), key});
        }
      }
    }
    CHECK(seen(rows.parts(window), window) == wanted);
    CHECK(seen(rows.parts(window, /*whole=*/true), window) == wanted);
  }
  CHECK(rows.parts(0).size() == 5);  // two shared parts and one for each item
}
