// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/dropout.hpp"

#include "posttrain/nn/neftune.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/kernels.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using posttrain::test::batch_of;
using posttrain::test::some_sequence;

namespace {

KeyedDropout dropout_for(const TokenBatch& batch, std::int64_t step = 3) {
  return {.probability = 0.25, .seed = 7, .step = step, .rows = row_keys(batch)};
}

}  // namespace

TEST_CASE("dropout zeroes its share and keeps the mean", "[nn]") {
  const TokenBatch batch = batch_of({some_sequence(50, 1)}).to(at::kCPU);
  const Tensor x = at::ones({50, 400}, at::kDouble);
  const Tensor y = dropout_for(batch).apply(x, 0);
  const Tensor zero = y == 0.0;
  CHECK(at::equal(y, at::where(zero, 0.0 * x, x * static_cast<double>(1.0F / 0.75F))));
  // 20,000 draws: the standard deviation of the share is 0.003.
  CHECK(zero.to(at::kDouble).mean().item<double>() == Approx(0.25).margin(0.015));
  CHECK(y.mean().item<double>() == Approx(1.0).margin(0.02));
}

TEST_CASE("dropout's mask follows sample, position, step and place, not the packing", "[nn]") {
  const TokenBatch packed = batch_of({some_sequence(9, 1), some_sequence(5, 2)}).to(at::kCPU);
  const TokenBatch alone = batch_of({some_sequence(5, 2)}).to(at::kCPU);
  const Tensor x = kernel_test::normal({14, 30}, 4);
  const Tensor y = dropout_for(packed).apply(x, 2);
  CHECK(at::equal(dropout_for(packed).apply(x, 2), y));
  CHECK(at::equal(dropout_for(alone).apply(x.narrow(0, 9, 5), 2), y.narrow(0, 9, 5)));
  CHECK_FALSE(at::equal(dropout_for(packed).apply(x, 3), y));
  CHECK_FALSE(at::equal(dropout_for(packed, 4).apply(x, 2), y));
  CHECK_THROWS_WITH(dropout_for(alone).apply(x, 2),
                    "dropout expected the 5 rows of the batch, got 14");
}

TEST_CASE("the mask of dropout takes gradients back", "[nn]") {
  const TokenBatch batch = batch_of({some_sequence(6, 1)}).to(at::kCPU);
  const KeyedDropout dropout = dropout_for(batch);
  CHECK(kernel_test::gradient_error([&](const Tensors& t) { return dropout.apply(t[0], 1); },
                                    {kernel_test::normal({6, 8}, 5)}) < 1e-8);
  const Tensor dy = kernel_test::normal({6, 8}, 6), x = kernel_test::normal({6, 8}, 5);
  CHECK(kernel_test::relative_error((dropout.apply(x, 1) * dy).sum(),
                                    (x * dropout.apply(dy, 1)).sum()) < 1e-12);
}

TEST_CASE("masks and noise of a device have the host's bits", "[nn][device]") {
  const TokenBatch batch = batch_of({some_sequence(90, 1), some_sequence(30, 2)}).to(at::kCPU);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    for (const std::int64_t columns : {1, 33, 70'000}) {
      const Tensor x = at::ones({120, columns}, dtype);
      const KeyedDropout here = dropout_for(batch),
                         there{.probability = here.probability,
                               .seed = here.seed,
                               .step = here.step,
                               .rows = here.rows.to(test::test_device())};
      CHECK(at::equal(there.apply(x.to(test::test_device()), 1).to(at::kCPU), here.apply(x, 1)));
      const NefTune noise{.alpha = 5.0, .seed = 3, .step = 2};
      const Tensor noisy =
          add_neftune_noise(x.to(test::test_device()), batch.to(test::test_device()), noise);
      CHECK(at::equal(noisy.to(at::kCPU), add_neftune_noise(x, batch, noise)));
    }
  }
}
