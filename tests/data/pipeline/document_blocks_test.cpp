// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/document_blocks.hpp"

#include "support/catch.hpp"

using posttrain::Sequence;
using posttrain::TokenIds;
using posttrain::data::document_blocks;

TEST_CASE("a document becomes blocks that hold every token once, each block's first unscored [C14]",
          "[C14]") {
  for (std::int64_t block_size = 3; block_size <= 8; ++block_size) {
    for (std::size_t length = 2; length < 40; ++length) {
      TokenIds ids(length);
      for (std::size_t i = 0; i < length; ++i) ids[i] = static_cast<posttrain::TokenId>(i);
      TokenIds joined;
      for (const Sequence& block : document_blocks(ids, block_size)) {
        REQUIRE(block.ids.size() <= static_cast<std::size_t>(block_size));
        REQUIRE(block.ids.size() >= 2);  // so every block has something to score
        REQUIRE(block.weights.size() == block.ids.size());
        REQUIRE(block.weights[0] == 0.0F);
        REQUIRE(block.counted() + 1 == static_cast<std::int64_t>(block.ids.size()));
        joined.insert(joined.end(), block.ids.begin(), block.ids.end());
      }
      REQUIRE(joined == ids);
    }
  }
  CHECK(document_blocks({1, 2, 3}, 0).size() == 1);
  CHECK(document_blocks({}, 4).empty());
  CHECK(document_blocks({1}, 4).size() == 1);
}
