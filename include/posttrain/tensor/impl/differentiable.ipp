// SPDX-License-Identifier: Apache-2.0
// Definitions of differentiable.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

class LambdaNode : public torch::autograd::Node {
 public:
  explicit LambdaNode(BackwardFunction backward) : backward_(std::move(backward)) {}
  std::string name() const override { return "posttrain::LambdaNode"; }
  void release_variables() override { backward_ = nullptr; }

 protected:
  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    TORCH_CHECK(backward_, "the graph was already freed by an earlier backward pass");
    at::NoGradGuard no_grad;
    return backward_(grads);
  }

 private:
  BackwardFunction backward_;
};

// Edge::function is a shared_ptr up to LibTorch 2.13 or so and an intrusive_ptr after.
using NodePointer = std::remove_cvref_t<decltype(std::declval<torch::autograd::Edge&>().function)>;

template <class Pointer>
Pointer make_node(BackwardFunction backward) {
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<torch::autograd::Node>>) {
    // deleteNode (found by argument-dependent lookup where it exists) unwinds long graphs
    // iteratively; the plain deleter would recurse.
    return Pointer(static_cast<torch::autograd::Node*>(new LambdaNode(std::move(backward))),
                   [](auto* node) { deleteNode(node); });
  } else {
    return Pointer(c10::make_intrusive<LambdaNode>(std::move(backward)));
  }
}

inline bool any_requires_grad(const Tensors& inputs) {
  if (!at::GradMode::is_enabled()) return false;
  for (const Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) return true;
  }
  return false;
}

}  // namespace detail

POSTTRAIN_INLINE Tensors differentiable(Tensors outputs, const Tensors& inputs,
                                        BackwardFunction backward) {
  if (!detail::any_requires_grad(inputs)) return outputs;
  auto node = detail::make_node<detail::NodePointer>(std::move(backward));
  torch::autograd::edge_list edges;
  edges.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    edges.push_back(input.defined() ? torch::autograd::impl::gradient_edge(input)
                                    : torch::autograd::Edge());
  }
  node->set_next_edges(std::move(edges));
  for (const Tensor& output : outputs) torch::autograd::set_history(output, node);
  return outputs;
}

POSTTRAIN_INLINE Tensor differentiable(Tensor output, const Tensors& inputs,
                                       std::function<Tensors(const Tensor&)> backward) {
  if (!detail::any_requires_grad(inputs)) return output;
  return differentiable(
      Tensors{std::move(output)}, inputs,
      [backward = std::move(backward), count = inputs.size()](const Tensors& grads) {
        return grads[0].defined() ? backward(grads[0]) : Tensors(count);
      })[0];
}

POSTTRAIN_INLINE void when_gradient_is_there(const Tensor& x, std::function<void()> then) {
  x.register_hook([then = std::move(then)](const Tensor&) { then(); });
}

}  // namespace posttrain
