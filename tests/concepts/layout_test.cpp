// SPDX-License-Identifier: Apache-2.0
#include "posttrain/concepts/layout.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a site has the rows of all its parts, and layouts compare field by field", "[layout]") {
  const SiteSpec qkv{{{"q", 8, false}, {"k", 4, false}, {"v", 4, false}}, 8, true};
  CHECK(qkv.rows() == 16);
  CHECK(SiteSpec{}.rows() == 0);
  Layout layout;
  layout.sites = {qkv};
  layout.tables = {{"embed.weight", 10, 8}};
  layout.vectors = {{"norm.weight", 8}};
  const Layout same = layout;
  CHECK(layout == same);
  layout.sites[0].parts[1].transposed = true;
  CHECK_FALSE(layout == same);
  layout = same;
  layout.tables[0].padding_row = 0;
  CHECK_FALSE(layout == same);
  layout = same;
  layout.attention.head_dim = 4;
  CHECK_FALSE(layout == same);
}

TEST_CASE("what a layout leaves out is the ordinary", "[layout]") {
  CHECK(SiteSpec{}.shares == -1);
  CHECK_FALSE(SiteSpec{}.head);
  CHECK(VectorSpec{}.initial == 1.0);
  CHECK(TableSpec{}.padding_row == -1);
  CHECK(TableSpec{}.lookup_scale == 1.0);
  CHECK(AttentionSpec{}.layers == 0);
}
