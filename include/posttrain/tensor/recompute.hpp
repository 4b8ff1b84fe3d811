// SPDX-License-Identifier: Apache-2.0
// Activation checkpointing: a function of one tensor that keeps its input only and runs again in
// the backward pass (torch.utils.checkpoint, non-reentrant in effect).
//
// Gradients of parameters reach their buffers in the second run. Randomness inside must be keyed
// (base/rng.hpp), never drawn from a global stream; that makes the second run equal the first.
#pragma once

#include <utility>

#include "posttrain/tensor/differentiable.hpp"

namespace posttrain {

/// `anchor` requires a gradient iff `function` reaches a trained parameter.
template <class Function>
Tensor recompute(const Tensor& x, const Tensor& anchor, Function function) {
  Tensor y;
  {
    at::NoGradGuard no_grad;
    y = function(x);
  }
  const bool needs_input_gradient = x.requires_grad();
  return differentiable(y, {x, anchor},
                        [x = x.detach(), function = std::move(function),
                         needs_input_gradient](const Tensor& dy) -> Tensors {
                          at::AutoGradMode enabled(true);
                          Tensor again = x.detach();
                          again.requires_grad_(needs_input_gradient);
                          const Tensor result = function(again);
                          // Nothing before or in a frozen layer may train.
                          if (result.requires_grad()) result.backward(dy);
                          return {needs_input_gradient ? again.grad() : Tensor(), Tensor()};
                        });
}

}  // namespace posttrain
