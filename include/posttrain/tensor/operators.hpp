// SPDX-License-Identifier: Apache-2.0
// Arithmetic on tensors and numbers, and the functions that formulas of losses are made of:
// exp(-x) * m - logsigmoid(x) * (1 - m).
//
// <ATen/TensorOperators.h> reads half as many lines again as the type Tensor itself. The ones here
// call methods and cost nothing. They are templates in Tensor's own namespace: found wherever a
// tensor is, and where ATen's own are included, too (tensor/ops.hpp, torch/torch.h), those win the
// overload resolution, with the same numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <concepts>

namespace at {

template <std::same_as<Tensor> T>
Tensor operator+(const T& x, const T& y) {
  return x.add(y);
}
template <std::same_as<Tensor> T>
Tensor operator+(const T& x, const Scalar& y) {
  return x.add(y);
}
template <std::same_as<Tensor> T>
Tensor operator+(const Scalar& x, const T& y) {
  return y.add(x);
}

template <std::same_as<Tensor> T>
Tensor operator-(const T& x, const T& y) {
  return x.sub(y);
}
template <std::same_as<Tensor> T>
Tensor operator-(const T& x, const Scalar& y) {
  return x.sub(y);
}
template <std::same_as<Tensor> T>
Tensor operator-(const Scalar& x, const T& y) {
  return y.neg().add(x);
}

template <std::same_as<Tensor> T>
Tensor operator*(const T& x, const T& y) {
  return x.mul(y);
}
template <std::same_as<Tensor> T>
Tensor operator*(const T& x, const Scalar& y) {
  return x.mul(y);
}
template <std::same_as<Tensor> T>
Tensor operator*(const Scalar& x, const T& y) {
  return y.mul(x);
}

template <std::same_as<Tensor> T>
Tensor operator/(const T& x, const T& y) {
  return x.div(y);
}
template <std::same_as<Tensor> T>
Tensor operator/(const T& x, const Scalar& y) {
  return x.div(y);
}
template <std::same_as<Tensor> T>
Tensor operator/(const Scalar& x, const T& y) {
  return y.new_full({}, x).div(y);
}

template <std::same_as<Tensor> T>
Tensor exp(const T& x) {
  return x.exp();
}

/// e^x − 1, exact near 0.
template <std::same_as<Tensor> T>
Tensor expm1(const T& x) {
  return x.expm1();
}

template <std::same_as<Tensor> T>
Tensor log(const T& x) {
  return x.log();
}

/// max(0, x).
template <std::same_as<Tensor> T>
Tensor relu(const T& x) {
  return x.relu();
}

/// 1 / (1 + e^(−x)).
template <std::same_as<Tensor> T>
Tensor sigmoid(const T& x) {
  return x.sigmoid();
}

template <std::same_as<Tensor> T>
Tensor square(const T& x) {
  return x.square();
}

}  // namespace at
