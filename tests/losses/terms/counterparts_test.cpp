// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/terms/counterparts.hpp"

#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

Tensor numbers(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

}  // namespace

TEST_CASE("values meet those of their rank in any micro-batch", "[losses][counterparts]") {
  const std::vector<TokenBatch> batches(2);
  const Counterparts matched({&batches[0], &batches[1]}, {numbers({3, 1, 2}), numbers({0})},
                             {numbers({40}), numbers({10, 30, 20})});
  CHECK(at::equal(matched.of(batches[0]), numbers({40, 20, 30})));
  CHECK(at::equal(matched.of(batches[1]), numbers({10})));
}

TEST_CASE("equal values keep their order", "[losses][counterparts]") {
  const TokenBatch batch;
  const Counterparts matched({&batch}, {numbers({1, 0, 1})}, {numbers({7, 5, 6})});
  CHECK(at::equal(matched.of(batch), numbers({6, 5, 7})));
}

TEST_CASE("a batch that was not gathered is an error", "[losses][counterparts]") {
  const TokenBatch batch, other;
  const Counterparts matched({&batch}, {numbers({1})}, {numbers({2})});
  CHECK_THROWS_WITH(matched.of(other), Catch::Contains("expected a batch that it gathered"));
}
