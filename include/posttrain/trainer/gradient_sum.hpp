// SPDX-License-Identifier: Apache-2.0
// Adds up gradients over all ranks, part by part: those of a layer are under way while the backward
// pass still works on the layers before it.
//
// A part is a piece of a flat buffer (tensor/parameters.hpp). It is ready when the layers of its
// gradients are done, which their names say (the 3 of "model.layers.3.mlp.up_proj.weight"); what
// belongs to no layer, or to another model, is ready at the end of the backward pass. All ranks
// begin the same parts in the same order. (PyTorch's DistributedDataParallel has buckets of
// parameters in the order in which their gradients were ready at first.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// The layer that a tensor's name has, the greatest number for a head, which is behind all layers;
/// −1: none, or one of a critic's own model.
std::int64_t layer_of(std::string_view name);

class GradientSum {
 public:
  /// Elements [begin, end) of a group's gradient, ready when `layer` is done; −1: at the end.
  struct Part {
    std::size_t group = 0;
    std::int64_t begin = 0, end = 0, layer = -1;
  };

  /// In the order in which they are begun: the last layers first. `gradients`: views of the groups'
  /// gradients, by name; what none of them covers is ready at the end. `bytes`: of a part, at most.
  static std::vector<Part> parts_of(const std::vector<ParameterGroup>& groups,
                                    const std::vector<NamedTensor>& gradients, std::int64_t bytes);

  /// Nothing is added up: one rank.
  GradientSum() = default;
  GradientSum(std::shared_ptr<Communicator> ranks, std::vector<Part> parts, bool overlap)
      : ranks_(std::move(ranks)), parts_(std::move(parts)), overlap_(overlap) {}

  /// What the backward pass of the last micro-batch calls for each layer whose gradients, and those
  /// of all layers behind it, are there; empty where nothing begins before the end. It refers to
  /// this and to `groups`.
  std::function<void(std::int64_t)> layer_done(const std::vector<ParameterGroup>& groups);

  /// Begins what has not begun, and returns when every gradient is the sum over all ranks.
  void finish(const std::vector<ParameterGroup>& groups);

 private:
  void begin_until(const std::vector<ParameterGroup>& groups, std::int64_t layer);

  std::shared_ptr<Communicator> ranks_;
  std::vector<Part> parts_;
  bool overlap_ = true;
  std::size_t next_ = 0;
  std::vector<Pending> pending_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/gradient_sum.ipp"
#endif
