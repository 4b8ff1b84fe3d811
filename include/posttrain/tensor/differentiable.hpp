// SPDX-License-Identifier: Apache-2.0
// The one autograd node of the library: a hand-written backward attached to a finished result.
//
//   Tensor y = …;                                            // computed without a graph
//   return differentiable(y, {x, w}, [x, w](const Tensor& dy) { return Tensors{…, …}; });
//
// One non-template node that holds a lambda replaces torch::autograd::Function, whose header and
// instantiations cost 4 s per translation unit. The base class changes between LibTorch versions
// (shared_ptr or intrusive_ptr nodes): this header alone knows it.
// A lambda must not capture its own result with its graph (a cycle that never dies): capture
// `y.detach()`. It runs without a graph: second derivatives are not supported.
#pragma once

#include <functional>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Gradients of the outputs in, gradients of the inputs out (an undefined tensor: no gradient).
using BackwardFunction = std::function<Tensors(const Tensors&)>;

/// Attaches `backward` to `outputs`, which must have been computed without a graph and be fresh
/// tensors. Returns them untouched where no input requires a gradient. An output whose gradient is
/// not asked for arrives as an undefined tensor.
Tensors differentiable(Tensors outputs, const Tensors& inputs, BackwardFunction backward);

/// Attaches `backward` to one output.
Tensor differentiable(Tensor output, const Tensors& inputs,
                      std::function<Tensors(const Tensor&)> backward);

/// Calls `then` in the backward pass when the whole gradient of `x` is there: everything that was
/// computed from it after this call has been passed back.
void when_gradient_is_there(const Tensor& x, std::function<void()> then);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/differentiable.ipp"
#endif
