// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/gguf/head_rows.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("rows of each head stand in pairs, and come back", "[models]") {
  // Two heads of four rows: 0 1 2 3 become 0 2 1 3.
  const Tensor rows = at::arange(16, at::kFloat).view({8, 2});
  const Tensor paired = models::paired_rows(rows, 2);
  CHECK(at::equal(paired.select(1, 0), at::tensor({0, 4, 2, 6, 8, 12, 10, 14}, at::kFloat)));
  CHECK(at::equal(models::unpaired_rows(paired, 2), rows));
  const Tensor heads = models::paired_rows(at::arange(12, at::kByte), 2);  // a bias
  CHECK(at::equal(heads, at::tensor({0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}, at::kByte)));
  CHECK(at::equal(models::unpaired_rows(heads, 2), at::arange(12, at::kByte)));
}
