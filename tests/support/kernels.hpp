// SPDX-License-Identifier: Apache-2.0
// Random tensors, comparisons and finite differences for the tests of the kernels.
#pragma once

#include <functional>

#include "posttrain/base/rng.hpp"
#include "posttrain/tensor/ops.hpp"

namespace kernel_test {

using at::Tensor;
using posttrain::Tensors;

/// N(0, 1), the same for the same seed on every platform.
inline Tensor normal(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType type = at::kDouble) {
  posttrain::Philox4x32 generator(seed, 0);
  Tensor x = at::empty(shape, at::kDouble);
  double* values = x.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = generator.normal();
  return x.to(type);
}

/// max |a − b| / max |b|.
inline double relative_error(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  const double scale = y.numel() > 0 ? y.abs().max().item<double>() : 0.0;
  const double difference = y.numel() > 0 ? (x - y).abs().max().item<double>() : 0.0;
  return scale > 0 ? difference / scale : difference;
}

/// The gradient of f's scalar at x by central differences; x is double and contiguous.
inline Tensor numeric_gradient(const std::function<double()>& f, const Tensor& x) {
  at::NoGradGuard no_grad;
  Tensor gradient = at::zeros_like(x);
  double* value = x.mutable_data_ptr<double>();
  double* slope = gradient.mutable_data_ptr<double>();
  constexpr double kStep = 1e-5;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double saved = value[i];
    value[i] = saved + kStep;
    const double above = f();
    value[i] = saved - kStep;
    const double below = f();
    value[i] = saved;
    slope[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

/// The largest relative error of autograd's gradients of Σ f(inputs) · (fixed random numbers) in
/// double.
inline double gradient_error(const std::function<Tensor(const Tensors&)>& f, Tensors inputs) {
  for (Tensor& input : inputs) input = input.detach().clone().requires_grad_();
  const Tensor weight = normal(f(inputs).sizes(), 99);
  (f(inputs) * weight).sum().backward();
  double worst = 0;
  for (const Tensor& input : inputs) {
    const Tensor expected = numeric_gradient(
        [&] {
          at::NoGradGuard no_grad;
          return (f(inputs) * weight).sum().item<double>();
        },
        input.detach());
    worst = std::max(worst, relative_error(input.grad(), expected));
  }
  return worst;
}

/// Output and gradients of f in double against the same in `type`: the largest relative error.
inline double precision_error(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs,
                              at::ScalarType type) {
  const auto run = [&](at::ScalarType precision) {
    Tensors leaves, results;
    for (const Tensor& input : inputs) {
      // Both sides start from values that `type` can hold.
      leaves.push_back(input.to(type).to(precision).clone().requires_grad_());
    }
    const Tensor out = f(leaves);
    (out * normal(out.sizes(), 99).to(type).to(precision)).sum().backward();
    results.push_back(out.detach());
    for (const Tensor& leaf : leaves) results.push_back(leaf.grad());
    return results;
  };
  const Tensors expected = run(at::kDouble), actual = run(type);
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, relative_error(actual[i], expected[i]));
  }
  return worst;
}

}  // namespace kernel_test
