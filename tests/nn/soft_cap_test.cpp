// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/soft_cap.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

TEST_CASE("a soft cap bounds logits and leaves small ones alone", "[tensor][soft_cap]") {
  const Tensor z = at::tensor({-1000.0, -3.0, 0.0, 1e-4, 3.0, 1000.0}, at::kDouble);
  const Tensor capped = soft_cap(z, 30.0);
  for (std::int64_t i = 0; i < z.numel(); ++i) {
    CHECK(capped[i].item<double>() ==
          Approx(30.0 * std::tanh(z[i].item<double>() / 30.0)).epsilon(1e-14));
  }
  CHECK(capped.abs().max().item<double>() <= 30.0);
}

TEST_CASE("the soft cap's gradient is that of finite differences", "[tensor][soft_cap]") {
  for (const double c : {0.7, 5.0, 50.0}) {
    CHECK(kernel_test::gradient_error([c](const Tensors& in) { return soft_cap(in[0], c); },
                                      {normal({4, 6}, 1) * 2.0}) < 1e-8);
  }
}

TEST_CASE("the soft cap's gradient does not read its result", "[tensor][soft_cap]") {
  const Tensor z = normal({3, 4}, 1).requires_grad_();
  const Tensor capped = soft_cap(z, 2.0);
  Tensor memory = capped.detach();
  memory.zero_();  // as the backward pass of the scores overwrites the logits
  capped.backward(at::ones({3, 4}, at::kDouble));
  const Tensor t = at::tanh(z.detach() / 2.0);
  CHECK(kernel_test::relative_error(z.grad(), 1.0 - t * t) < 1e-14);
}
