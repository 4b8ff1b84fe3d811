// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/logits_processor.hpp"

#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;

static_assert(LogitsProcessor<AllowedIds>);
static_assert(!LogitsProcessor<RowView>);

TEST_CASE("ids that are not allowed get no probability", "[generate]") {
  const AllowedIds allowed({1, 3});
  for (int i = 0; i < 2; ++i) {
    const Tensor logits = at::arange(5, at::kFloat).to(test::test_device());
    allowed(logits, RowView{});
    CHECK(at::equal(at::softmax(logits, 0).gt(0).to(at::kCPU),
                    at::tensor({0, 1, 0, 1, 0}, at::kLong).to(at::kBool)));
    CHECK(logits.select(0, 3).item<float>() == 3.0F);
  }
  CHECK_THROWS_WITH(AllowedIds({}), Catch::Contains("at least one id"));
}
