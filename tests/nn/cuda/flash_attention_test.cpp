// SPDX-License-Identifier: Apache-2.0
// Attention by LibTorch's FlashAttention against plain operations. The stand-in device takes
// float32 as well, which shows the plan and the merging exactly.
#include "posttrain/nn/cuda/flash_attention.hpp"

#include <vector>

#include "posttrain/nn/attention.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/attention_errors.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/stand_in_cuda.hpp"

using namespace posttrain;
using test::attention_errors;
using test::AttentionInputs;
using test::some_forest;
using test::test_device;

namespace {

struct Inputs : AttentionInputs {
  Inputs(std::int64_t queries, std::int64_t keys, at::ScalarType type, std::int64_t size = 16)
      : AttentionInputs(queries, keys, type, test_device(), {.size = size}) {}
};

const std::vector<Segment> kForest = some_forest();

bool flash_is_there() { return !test_device().is_cpu(); }

}  // namespace

TEST_CASE("flash attention over a forest is plain attention over it", "[nn][device]") {
  if (!flash_is_there()) POSTTRAIN_SKIP("FlashAttention is CUDA's");
  for (const std::int64_t window : {0, 1, 4, 9}) {
    INFO("window " << window);
    const AttentionParts parts = attention_parts(kForest, window);
    const AttentionParts prefixed = attention_parts_after_prefix(kForest, 3, window);
    const AttentionParts cached{{0, 5, 0, 21, true, 16, 0}};
    const AttentionParts odd{{0, 2, 0, 6, true, 1, 0}, {2, 36, 6, 36, false, 30, 0}};
    // Each call's output is rounded to 16 bits before the merge, and the backward pass takes the
    // merged one: 5.2e-3 at most here, below 4e-3 where one call is all.
    for (const auto& [type, tolerance] : {std::pair(at::kFloat, 1e-6), {at::kBFloat16, 6e-3}}) {
      if (type == at::kFloat && !stand_in::counts_if_loaded()) continue;  // CUDA's takes 16 bits
      INFO(c10::toString(type));
      const AttentionOptions options{0.3, 0.0, window};
      for (const double error : attention_errors(Inputs(36, 36, type), parts, options))
        CHECK(error < tolerance);
      for (const double error : attention_errors(Inputs(36, 39, type), prefixed, options))
        CHECK(error < tolerance);
      for (const double error : attention_errors(Inputs(5, 21, type), cached, options))
        CHECK(error < tolerance);
      for (const double error : attention_errors(Inputs(36, 36, type), odd, options))
        CHECK(error < tolerance);
    }
  }
}

TEST_CASE("half types on CUDA go to flash attention, other calls do not", "[nn][device]") {
  if (!flash_is_there()) POSTTRAIN_SKIP("FlashAttention is CUDA's");
  const AttentionOptions plain{0.3};
  CHECK(takes_flash(Inputs(4, 4, at::kBFloat16).q, plain));
  CHECK(takes_flash(Inputs(4, 4, at::kHalf).q, plain));
  CHECK_FALSE(takes_flash(Inputs(4, 4, at::kFloat).q, plain));
  CHECK_FALSE(takes_flash(Inputs(4, 4, at::kBFloat16, 12).q, plain));
  CHECK_FALSE(takes_flash(Inputs(4, 4, at::kBFloat16, 264).q, plain));
  CHECK_FALSE(takes_flash(Inputs(4, 4, at::kBFloat16).q, {0.3, 2.0}));
  CHECK_FALSE(takes_flash(Inputs(4, 4, at::kBFloat16).q.to(at::kCPU), plain));
  // The public function takes the route, with a gradient.
  const Inputs in(36, 36, at::kBFloat16);
  const Tensor q = in.q.clone().requires_grad_();
  const AttentionParts parts = attention_parts(kForest);
  attention(q, in.k, in.v, parts, plain).backward(in.dy);
  const AttentionResult result = attention_forward_flash(in.q, in.k, in.v, parts, plain);
  CHECK(at::equal(q.grad(),
                  attention_backward_flash(in.dy, in.q, in.k, in.v, result, parts, plain).q));
}

TEST_CASE("a plan is made once for all layers of a batch", "[nn][device]") {
  if (!flash_is_there()) POSTTRAIN_SKIP("FlashAttention is CUDA's");
  const AttentionParts parts = attention_parts(kForest);
  const Inputs in(36, 36, at::kBFloat16);
  attention_forward_flash(in.q, in.k, in.v, parts, {0.3});
  const TransferCounts before = transfer_counts();
  const AttentionParts copy = parts;
  attention_forward_flash(in.q, in.k, in.v, copy, {0.3});
  CHECK(transfer_counts().uploads == before.uploads);
  // Nothing to see: zeros, and no key.
  const AttentionResult nothing = attention_forward_flash(in.q, in.k, in.v, {}, {0.3});
  CHECK(nothing.out.abs().max().item().toDouble() == 0.0);
}
