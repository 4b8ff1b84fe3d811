// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/neftune.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using posttrain::test::batch_of;
using posttrain::test::some_ids;
using posttrain::test::some_sequence;

namespace {

const NefTune kOptions{.alpha = 5.0, .seed = 3, .step = 11};

Tensor noise_of(const TokenBatch& batch, const NefTune& options = kOptions) {
  return add_neftune_noise(at::zeros({batch.tokens(), 16}, at::kDouble), batch, options);
}

}  // namespace

TEST_CASE("NEFTune noise is uniform within alpha / sqrt(L d) of the sequence's own length",
          "[nn]") {
  const TokenBatch batch = batch_of({some_sequence(400, 1), some_sequence(5, 2)});
  const Tensor noise = noise_of(batch);
  for (const auto& [begin, length] : {std::pair{0, 400}, std::pair{400, 5}}) {
    const double bound = 5.0 / std::sqrt(length * 16.0);
    const Tensor part = noise.narrow(0, begin, length);
    CHECK(part.abs().max().item<double>() <= bound);
    CHECK(part.abs().max().item<double>() > 0.9 * bound);
  }
  // The standard deviation of 6,400 uniform numbers, a third of the square of the bound.
  const Tensor first = noise.narrow(0, 0, 400);
  CHECK(first.mean().item<double>() == Approx(0.0).margin(0.001));
  CHECK(first.square().mean().item<double>() == Approx(25.0 / 6400.0 / 3.0).epsilon(0.05));
}

TEST_CASE("NEFTune noise is a function of seed, step, sample and position", "[nn]") {
  const TokenBatch packed = batch_of({some_sequence(9, 1), some_sequence(5, 2)});
  const TokenBatch alone = batch_of({some_sequence(5, 2)});
  CHECK(at::equal(noise_of(packed).narrow(0, 9, 5), noise_of(alone)));
  CHECK_FALSE(at::equal(noise_of(alone, {.alpha = 5.0, .seed = 4, .step = 11}), noise_of(alone)));
  CHECK_FALSE(at::equal(noise_of(alone, {.alpha = 5.0, .seed = 3, .step = 12}), noise_of(alone)));
}

TEST_CASE("virtual tokens get no noise and do not count", "[nn]") {
  const TokenBatch plain = batch_of({some_sequence(5, 2)}).to(at::kCPU);
  TokenBatch with_prompt = plain;
  with_prompt.virtual_tokens = 3;
  with_prompt.nodes = {{0, 3, 8, 0}, {3, 8, 8, 3}};
  with_prompt.node_sample = {-1, plain.node_sample.at(0)};
  with_prompt.ids = at::cat({at::full({3}, 50, at::kLong), plain.ids});
  const Tensor noise = noise_of(with_prompt);
  CHECK(noise.narrow(0, 0, 3).abs().max().item<double>() == 0.0);
  CHECK(at::equal(noise.narrow(0, 3, 5), noise_of(plain)));
}

TEST_CASE("the gradient passes through NEFTune's noise unchanged", "[nn]") {
  const TokenBatch batch = batch_of({some_sequence(5, 2)});
  const Tensor x = kernel_test::normal({5, 16}, 1).requires_grad_();
  const Tensor dy = kernel_test::normal({5, 16}, 2);
  add_neftune_noise(x, batch, kOptions).backward(dy);
  CHECK(at::equal(x.grad(), dy));
}
