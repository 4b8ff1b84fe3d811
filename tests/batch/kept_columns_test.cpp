// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/kept_columns.hpp"

#include <vector>

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Of four predictions the second keeps all columns.
KeptColumns some_columns() {
  return {at::tensor(std::vector<std::int64_t>{1, 2, 0, 0, 3, 4}, at::kLong).to(test_device()),
          at::tensor(std::vector<std::int64_t>{0, 0, 2, 3, 3, 3}, at::kLong).to(test_device()),
          {2, 2, 3, 6}};
}

/// 1 where a column of a row is as it was, 0 where it has no probability.
std::vector<std::vector<int>> kept_of(const KeptColumns& kept, std::int64_t rows) {
  const Tensor z = at::ones({rows, 5}).to(test_device());
  kept.apply_(z);
  std::vector<std::vector<int>> all;
  for (std::int64_t i = 0; i < rows; ++i) {
    auto& row = all.emplace_back();
    for (std::int64_t j = 0; j < 5; ++j) {
      const double value = z[i][j].item<double>();
      CHECK((value == 1.0 || (value < -1e4 && std::isfinite(value))));
      row.push_back(value == 1.0);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("Columns that are not kept have no probability", "[batch][device]") {
  const std::vector<std::vector<int>> expected{
      {0, 1, 1, 0, 0}, {1, 1, 1, 1, 1}, {1, 0, 0, 0, 0}, {1, 0, 0, 1, 1}};
  CHECK(kept_of(some_columns(), 4) == expected);
  // Rows beyond the predictions stay as they are; a slice has its own.
  for (std::int64_t begin = 0; begin < 4; ++begin) {
    for (std::int64_t end = begin; end <= 4; ++end) {
      std::vector<std::vector<int>> part(expected.begin() + begin, expected.begin() + end);
      part.emplace_back(5, 1);
      CHECK(kept_of(some_columns().slice(begin, end), end - begin + 1) == part);
    }
  }
  CHECK_FALSE(KeptColumns().slice(0, 3).defined());
  CHECK(kept_of({}, 1) == std::vector<std::vector<int>>{{1, 1, 1, 1, 1}});
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kDouble}) {
    const Tensor z = at::ones({4, 5}, type).to(test_device());
    some_columns().apply_(z);
    const Tensor p = z.to(at::kFloat).softmax(1);
    CHECK(p.gt(0).sum(1).to(at::kCPU).equal(at::tensor(std::vector<std::int64_t>{2, 5, 1, 3})));
  }
  CHECK_THROWS_WITH(some_columns().apply_(at::ones({3, 5}).to(test_device())),
                    Catch::Contains("expected logits of at least 4 rows, got 3"));
  CHECK(KeepsColumns<RolloutBatch>);
  CHECK_FALSE(KeepsColumns<TokenBatch>);
}
