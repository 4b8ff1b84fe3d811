// SPDX-License-Identifier: Apache-2.0
// Where ATen's operators are there, too, overload resolution takes those, so the library's own are
// called by their template argument here.
#include "posttrain/tensor/operators.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using at::Tensor;

TEST_CASE("arithmetic on tensors gives ATen's bits", "[tensor][operators]") {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const Tensor i = at::arange(1, 101, at::kDouble);
    const Tensor a = (i * 1.7).sin().to(dtype), b = (i * 0.37).cos().to(dtype);
    CHECK(at::equal(at::operator+<Tensor>(a, b), a + b));
    CHECK(at::equal(at::operator-<Tensor>(a, b), a - b));
    CHECK(at::equal(at::operator*<Tensor>(a, b), a * b));
    CHECK(at::equal(at::operator/<Tensor>(a, b), a / b));
    CHECK(at::equal(at::operator+<Tensor>(a, 0.3), a + 0.3));
    CHECK(at::equal(at::operator-<Tensor>(a, 0.3), a - 0.3));
    CHECK(at::equal(at::operator*<Tensor>(a, 0.3), a * 0.3));
    CHECK(at::equal(at::operator/<Tensor>(a, 0.3), a / 0.3));
    CHECK(at::equal(at::operator+<Tensor>(0.3, b), 0.3 + b));
    CHECK(at::equal(at::operator-<Tensor>(0.3, b), 0.3 - b));
    CHECK(at::equal(at::operator*<Tensor>(0.3, b), 0.3 * b));
    CHECK(at::equal(at::operator/<Tensor>(0.3, b), 0.3 / b));
    CHECK(at::operator/<Tensor>(0.3, b).scalar_type() == dtype);
    CHECK(at::equal(at::exp<Tensor>(a), a.exp()));
    CHECK(at::equal(at::expm1<Tensor>(a), a.expm1()));
    CHECK(at::equal(at::log<Tensor>(a.abs()), a.abs().log()));
    CHECK(at::equal(at::relu<Tensor>(a), a.relu()));
    CHECK(at::equal(at::sigmoid<Tensor>(a), a.sigmoid()));
    CHECK(at::equal(at::square<Tensor>(a), a * a));
  }
}

TEST_CASE("arithmetic is differentiable on either side of a number", "[tensor][operators]") {
  const Tensor x = at::tensor({0.5, -2.0, 4.0}, at::kDouble).requires_grad_();
  at::operator/<Tensor>(2.0, at::operator-<Tensor>(1.0, x)).sum().backward();
  const Tensor expected = 2.0 / (1.0 - x.detach()).square();
  CHECK((x.grad() - expected).abs().max().item<double>() < 1e-15);
}

TEST_CASE("whole numbers stay whole", "[tensor][operators]") {
  const Tensor ids = at::arange(4, at::kLong);
  CHECK(at::equal(at::operator+<Tensor>(ids, 2), ids + 2));
  CHECK(at::operator-<Tensor>(2, ids).scalar_type() == at::kLong);
}
