// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/linear.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

Tensor anchor() { return at::zeros({}, at::kDouble).requires_grad_(); }

Weight trained(std::int64_t out, std::int64_t in, at::ScalarType type, bool bias = true) {
  const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
  Weight weight;
  weight.value = normal({out, in}, 1, type);
  weight.grad = at::zeros({out, in}, wide);
  if (bias) {
    weight.bias = normal({out}, 2, type);
    weight.bias_grad = at::zeros({out}, wide);
  }
  weight.anchor = anchor();
  return weight;
}

}  // namespace

TEST_CASE("a linear map and its gradients equal autograd's", "[tensor][linear]") {
  for (const bool bias : {false, true}) {
    const Weight weight = trained(5, 3, at::kDouble, bias);
    const Tensor x = normal({7, 3}, 3).requires_grad_(), dy = normal({7, 5}, 4);
    const Tensor w = weight.value.clone().requires_grad_();
    const Tensor b = bias ? weight.bias.clone().requires_grad_() : Tensor();
    const Tensor x2 = x.detach().clone().requires_grad_();
    Tensor expected = x2.matmul(w.t());
    if (bias) expected = expected + b;
    expected.backward(dy);

    const Tensor y = linear(x, weight);
    CHECK(relative_error(y, expected) < 1e-14);
    y.backward(dy);
    CHECK(relative_error(x.grad(), x2.grad()) < 1e-14);
    CHECK(relative_error(weight.grad, w.grad()) < 1e-14);
    if (bias) CHECK(relative_error(weight.bias_grad, b.grad()) < 1e-14);
  }
}

TEST_CASE("gradients are added to what their buffers hold", "[tensor][linear]") {
  const Weight weight = trained(4, 3, at::kDouble);
  const Tensor x = normal({6, 3}, 3), dy = normal({6, 4}, 4);
  linear(x, weight).backward(dy);
  const Tensor once = weight.grad.clone(), bias_once = weight.bias_grad.clone();
  linear(x, weight).backward(dy);
  CHECK(relative_error(weight.grad, once * 2) < 1e-14);
  CHECK(relative_error(weight.bias_grad, bias_once * 2) < 1e-14);
}

TEST_CASE("a frozen weight gets no gradient but passes one on", "[tensor][linear]") {
  Weight weight;
  weight.value = normal({4, 3}, 1);
  const Tensor x = normal({6, 3}, 3).requires_grad_();
  linear(x, weight).backward(at::ones({6, 4}, at::kDouble));
  CHECK(relative_error(x.grad(), at::ones({6, 4}, at::kDouble).matmul(weight.value)) < 1e-14);
  CHECK_FALSE(weight.grad.defined());
  // Neither side trains: no graph.
  CHECK_FALSE(linear(x.detach(), weight).requires_grad());
}

TEST_CASE("the input's gradient is skipped where nobody needs it", "[tensor][linear]") {
  // A value that would make that product not finite shows that it is not computed.
  Weight weight = trained(2, 3, at::kDouble, false);
  const Tensor x = normal({4, 3}, 3);
  const Tensor y = linear(x, weight);
  CHECK(y.requires_grad());
  weight.value.resize_({0, 0});  // computing with it now would throw
  CHECK_NOTHROW(y.sum().backward());
  CHECK(relative_error(weight.grad, x.sum(0).expand({2, 3})) < 1e-14);
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(weight.anchor.grad().defined());
}

TEST_CASE("bf16 weights collect fp32 gradients", "[tensor][linear]") {
  const Weight weight = trained(48, 64, at::kBFloat16);
  const Tensor x = normal({40, 64}, 3, at::kBFloat16).requires_grad_();
  const Tensor dy = normal({40, 48}, 4, at::kBFloat16);
  const auto wide = [](const Tensor& t) { return t.detach().to(at::kDouble); };
  const Tensor y = linear(x, weight);
  CHECK(y.scalar_type() == at::kBFloat16);
  CHECK(relative_error(y, wide(x).matmul(wide(weight.value).t()) + wide(weight.bias)) < 1e-2);
  for (int pass = 1; pass <= 64; ++pass) {
    linear(x, weight).backward(dy);
    x.mutable_grad().reset();
  }
  CHECK(weight.grad.scalar_type() == at::kFloat);
  CHECK(weight.bias_grad.scalar_type() == at::kFloat);
  // Sixty-four additions in bf16 would be off by tens of per cent.
  CHECK(relative_error(weight.grad, wide(dy).t().matmul(wide(x)) * 64) < 1e-2);
  CHECK(relative_error(weight.bias_grad, wide(dy).sum(0) * 64) < 1e-2);
}

TEST_CASE("a tracked vector adds its gradient to its buffer", "[tensor][linear]") {
  const Tensor value = normal({3}, 1), grad = at::ones({3}, at::kDouble);
  (tracked(value, grad, anchor()) * at::tensor({1.0, 2.0, 3.0}, at::kDouble)).sum().backward();
  CHECK(at::equal(grad, at::tensor({2.0, 3.0, 4.0}, at::kDouble)));
  CHECK_FALSE(tracked(value, Tensor(), anchor()).requires_grad());
}

TEST_CASE("looking up rows adds gradients row by row", "[tensor][linear]") {
  const Tensor table = normal({5, 2}, 1), ids = at::tensor({3, 0, 3, 1}, at::kLong);
  const Tensor d = normal({4, 2}, 2), grad = at::zeros({5, 2}, at::kDouble);
  const Tensor rows = embed_rows(table, ids, grad, -1, anchor());
  CHECK(at::equal(rows.detach(), table.index_select(0, ids)));
  rows.backward(d);
  CHECK(grad[3].allclose(d[0] + d[2]));
  CHECK(at::equal(grad[0], d[1]));
  CHECK(at::equal(grad[1], d[3]));
  CHECK(grad[2].abs().sum().item<double>() == 0.0);
}

TEST_CASE("the padding row is looked up but gets no gradient", "[tensor][linear]") {
  const Tensor table = normal({5, 2}, 1), ids = at::tensor({3, 0, 3}, at::kLong);
  const Tensor grad = at::zeros({5, 2}, at::kDouble);
  const Tensor rows = embed_rows(table, ids, grad, 3, anchor());
  CHECK(at::equal(rows.detach()[0], table[3]));
  rows.sum().backward();
  CHECK(at::equal(grad[0], at::ones({2}, at::kDouble)));
  CHECK(grad[3].abs().sum().item<double>() == 0.0);
}

TEST_CASE("a frozen or bf16 table works too", "[tensor][linear]") {
  const Tensor ids = at::tensor({1, 1}, at::kLong);
  const Tensor frozen = embed_rows(normal({2, 2}, 1), ids, Tensor(), -1, anchor());
  CHECK_NOTHROW(frozen.requires_grad() ? frozen.sum().backward() : void());
  const Tensor grad = at::zeros({2, 2});
  embed_rows(normal({2, 2}, 1, at::kBFloat16), ids, grad, -1, anchor()).sum().backward();
  CHECK(at::equal(grad, at::tensor({0.0F, 0.0F, 2.0F, 2.0F}).view({2, 2})));
}
