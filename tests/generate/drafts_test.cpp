// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/drafts.hpp"

#include "support/catch.hpp"

using posttrain::TokenIds;
using posttrain::detail::draft;

TEST_CASE("a draft is what followed the latest ids before", "[generate]") {
  const TokenIds own{1, 2, 3, 4, 9, 2, 3, 5, 6, 2, 3};
  CHECK(draft(own, {}, 2, 8) == TokenIds{5, 6, 2, 3});  // the latest place
  CHECK(draft(own, {}, 2, 1) == TokenIds{5});
  CHECK(draft(own, {}, 3, 8).empty());
  CHECK(draft(own, {}, 1, 2) == TokenIds{5, 6});
  CHECK(draft({{7, 7, 7}}, {}, 2, 8) == TokenIds{7});  // places may overlap
  CHECK(draft({{7, 8}}, {}, 2, 8).empty());
  CHECK(draft({{7}}, {}, 2, 8).empty());
  CHECK(draft(own, {}, 2, 0).empty());
}

TEST_CASE("siblings are asked where a sample itself has nothing, the latest first", "[generate]") {
  const std::vector<TokenIds> siblings{{8, 9, 1}, {7, 8, 9, 2, 3}, {8, 9}};
  CHECK(draft({{5, 8, 9}}, siblings, 2, 8) == TokenIds{2, 3});
  CHECK(draft({{8, 9, 4, 8, 9}}, siblings, 2, 8) == TokenIds{4, 8, 9});
  CHECK(draft({{5, 6}}, siblings, 2, 8).empty());
}
