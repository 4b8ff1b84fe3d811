// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/heads.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

constexpr std::int64_t kRows = 5, kQuery = 4, kKey = 2, kWidth = 3;

Tensor fused() { return normal({kRows, (kQuery + 2 * kKey) * kWidth}, 1); }

}  // namespace

TEST_CASE("heads are views of the fused projection", "[tensor][heads]") {
  const Tensor qkv = fused();
  const auto [q, k, v] = split_heads(qkv, kQuery, kKey, kWidth);
  CHECK(q.sizes().vec() == std::vector<std::int64_t>{kRows, kQuery, kWidth});
  CHECK(k.sizes().vec() == std::vector<std::int64_t>{kRows, kKey, kWidth});
  CHECK(at::equal(at::cat({q.flatten(1), k.flatten(1), v.flatten(1)}, 1), qkv));
  CHECK(v.storage().is_alias_of(qkv.storage()));
  CHECK_FALSE(q.requires_grad());
}

TEST_CASE("gradients of the heads come back in their places", "[tensor][heads]") {
  const Tensor qkv = fused().requires_grad_();
  const auto [q, k, v] = split_heads(qkv, kQuery, kKey, kWidth);
  const Tensor dq = normal(q.sizes(), 2), dk = normal(k.sizes(), 3), dv = normal(v.sizes(), 4);
  ((q * dq).sum() + (k * dk).sum() + (v * dv).sum()).backward();
  CHECK(at::equal(qkv.grad(), at::cat({dq.flatten(1), dk.flatten(1), dv.flatten(1)}, 1)));
}

TEST_CASE("heads that nobody used get zeros", "[tensor][heads]") {
  const Tensor qkv = fused().requires_grad_();
  const auto [q, k, v] = split_heads(qkv, kQuery, kKey, kWidth);
  const Tensor dk = normal(k.sizes(), 3);
  (k * dk).sum().backward();
  const std::int64_t before = kQuery * kWidth, own = kKey * kWidth;
  CHECK(at::equal(qkv.grad().narrow(1, before, own), dk.flatten(1)));
  CHECK(qkv.grad().narrow(1, 0, before).abs().sum().item<double>() == 0.0);
  CHECK(qkv.grad().narrow(1, before + own, own).abs().sum().item<double>() == 0.0);
}

TEST_CASE("gradients of heads may be strided", "[tensor][heads]") {
  const Tensor qkv = fused().requires_grad_();
  const auto [q, k, v] = split_heads(qkv, kQuery, kKey, kWidth);
  const Tensor weight = normal({kQuery, kRows, kWidth}, 2);
  (q.transpose(0, 1) * weight).sum().backward();
  CHECK(at::equal(qkv.grad().narrow(1, 0, kQuery * kWidth), weight.transpose(0, 1).flatten(1)));
}
