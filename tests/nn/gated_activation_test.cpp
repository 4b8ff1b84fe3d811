// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/gated_activation.hpp"

#include <cmath>
#include <functional>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

TEST_CASE("Activations match their definitions, finite differences and double") {
  const auto kind =
      GENERATE(ActivationKind::kSilu, ActivationKind::kGelu, ActivationKind::kGeluTanh);
  const Tensor x = normal({7, 22}, 53) * 3;
  const auto plain = [&](const Tensors& t) { return activation(t[0], kind); };
  const auto gated = [&](const Tensors& t) { return gated_activation(t[0], kind); };
  Tensor expected;
  if (kind == ActivationKind::kSilu) expected = x * x.sigmoid();
  if (kind == ActivationKind::kGelu) expected = 0.5 * x * (1 + (x / std::sqrt(2.0)).erf());
  if (kind == ActivationKind::kGeluTanh) {
    expected = 0.5 * x * (1 + (std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))).tanh());
  }
  CHECK(relative_error(plain({x}), expected) < 1e-14);
  CHECK(relative_error(gated({x}), expected.narrow(1, 0, 11) * x.narrow(1, 11, 11)) < 1e-14);
  CHECK(gradient_error(plain, {x}) < 1e-7);
  CHECK(gradient_error(gated, {x}) < 1e-7);
  for (const auto& f : {std::function<Tensor(const Tensors&)>(plain),
                        std::function<Tensor(const Tensors&)>(gated)}) {
    CHECK(precision_error(f, {x}, at::kFloat) < 2e-6);
    CHECK(precision_error(f, {x}, at::kBFloat16) < 2e-2);
  }
}

TEST_CASE("Activations of empty and strided inputs") {
  CHECK(gated_activation(at::zeros({0, 8}), ActivationKind::kSilu).sizes() ==
        at::IntArrayRef({0, 4}));
  const Tensor wide = normal({5, 40}, 54, at::kFloat);
  const Tensor view = wide.narrow(1, 7, 20);
  CHECK(gated_activation(view, ActivationKind::kGelu)
            .equal(gated_activation(view.contiguous(), ActivationKind::kGelu)));
  CHECK_THROWS_WITH(gated_activation(at::zeros({2, 3}), ActivationKind::kSilu),
                    Catch::Contains("[T, 2F]"));
}
