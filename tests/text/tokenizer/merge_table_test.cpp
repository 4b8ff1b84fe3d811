// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/merge_table.hpp"

#include <cstdint>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::TokenId;
using posttrain::TokenIds;

namespace {

struct Merged {
  TokenIds ids;
  std::vector<ByteRange> ranges;
};

std::vector<Symbol> symbols(const TokenIds& ids) {
  std::vector<Symbol> out;
  for (const TokenId id : ids) out.push_back({id, static_cast<std::uint32_t>(out.size())});
  return out;
}

}  // namespace

TEST_CASE("A merge table finds what was put in, the last of equal pairs") {
  MergeTable table;
  CHECK(table.find(1, 2).rank == MergeTable::kNone);
  table.reserve(100);
  for (TokenId i = 0; i < 100; ++i) {
    table.insert(i, i + 1, {static_cast<std::uint32_t>(i), 1000 + i});
  }
  table.insert(5, 6, {7, 99});
  for (TokenId i = 0; i < 100; ++i) {
    CHECK(table.find(i, i + 1).id == (i == 5 ? 99 : 1000 + i));
    CHECK(table.find(i + 1, i).rank == MergeTable::kNone);
  }
}

TEST_CASE("Long and short words merge alike: by rank, then leftmost") {
  MergeTable table;  // 1 1 → 2 before 2 1 → 3 and 2 2 → 4
  table.reserve(3);
  table.insert(1, 1, {0, 2});
  table.insert(2, 1, {1, 3});
  table.insert(2, 2, {2, 4});
  for (std::size_t size = 1; size < 40; ++size) {
    TokenIds ids;
    for (std::size_t i = 0; i < size; ++i) ids.push_back(i % 7 == 6 ? 5 : 1);
    std::vector<Symbol> word = symbols(ids);
    Merged a, b;
    merge_long(table, word, size, {&a.ids, &a.ranges});
    merge_short(table, word, size, {&b.ids, &b.ranges});
    INFO(size);
    CHECK(a.ids == b.ids);
    CHECK(a.ranges == b.ranges);
  }
  Merged five;
  std::vector<Symbol> word = symbols({1, 1, 1, 1, 1});
  merge_symbols(table, word, 5, {&five.ids, &five.ranges});
  CHECK(five.ids == TokenIds{2, 3});  // (1 1) ((1 1) 1)
  CHECK(five.ranges == std::vector<ByteRange>{{0, 2}, {2, 5}});
}
