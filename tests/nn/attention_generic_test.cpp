// SPDX-License-Identifier: Apache-2.0
// The plain operations against the kernels; nn/attention_test.cpp compares both with a dense mask.
#include "posttrain/nn/attention_generic.hpp"

#include "posttrain/nn/attention.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("plain attention gives what the kernels give, log-sum-exps and gradients included",
          "[nn]") {
  const std::vector<Segment> nodes{
      {0, 20, 75, 0}, {20, 50, 50, 20}, {50, 75, 75, 20}, {75, 76, 76, 0}, {76, 140, 140, 0}};
  const std::int64_t window = GENERATE(0, 9);
  const double softcap = GENERATE(0.0, 1.5);
  const AttentionOptions options{0.25, softcap, window};
  const auto parts = attention_parts(nodes, window);
  const Tensor q = normal({140, 4, 16}, 1, at::kFloat), k = normal({140, 2, 16}, 2, at::kFloat),
               v = normal({140, 2, 16}, 3, at::kFloat), dy = normal({140, 4, 16}, 4, at::kFloat);
  const AttentionResult plain = attention_forward_generic(q, k, v, parts, options);
  const AttentionResult fast = attention_forward(q, k, v, parts, options);
  CHECK(relative_error(fast.out, plain.out) < 5e-6);
  CHECK(relative_error(fast.lse, plain.lse) < 5e-6);
  const auto expected = attention_backward_generic(dy, q, k, v, plain, parts, options);
  const auto actual = attention_backward(dy, q, k, v, fast, parts, options);
  CHECK(relative_error(actual.q, expected.q) < 1e-5);
  CHECK(relative_error(actual.k, expected.k) < 1e-5);
  CHECK(relative_error(actual.v, expected.v) < 1e-5);
}

TEST_CASE("two parts over the same queries are one softmax", "[nn]") {
  const Tensor q = normal({3, 2, 4}, 1), k = normal({7, 2, 4}, 2), v = normal({7, 2, 4}, 3);
  const AttentionResult whole =
      attention_forward_generic(q, k, v, {{0, 3, 0, 7, false, 0, 0}}, {0.5});
  const AttentionResult halves = attention_forward_generic(
      q, k, v, {{0, 3, 0, 2, false, 0, 0}, {0, 3, 2, 7, false, 0, 0}}, {0.5});
  CHECK(relative_error(halves.out, whole.out) < 1e-14);
  CHECK(relative_error(halves.lse, whole.lse) < 1e-14);
}
