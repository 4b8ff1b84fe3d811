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

  /// How parts are made.
  struct Cut {
    std::int64_t bytes = 64 * 1024 * 1024;  // of a part, at most, but for `multiple`
    bool overlap = true;                    // parts begin when they are ready, not at the end
    // Parts begin and end at multiples of so many elements, the last of a group beyond its end; 0:
    // they begin and end where layers do, and every rank gets the sums of all of them. Else each
    // rank gets those of its piece of a part (Communicator::piece_of) alone.
    std::int64_t multiple = 0;
  };

  /// In the order in which they are begun: the last layers first. `gradients`: views of the groups'
  /// gradients, by name; what none of them covers is ready at the end.
  static std::vector<Part> parts_of(const std::vector<ParameterGroup>& groups,
                                    const std::vector<NamedTensor>& gradients, const Cut& cut);

  /// Nothing is added up: one rank.
  GradientSum() = default;
  /// Holds the groups' gradients, whose memory is enlarged where the last part asks for it.
  GradientSum(std::shared_ptr<Communicator> ranks, const std::vector<ParameterGroup>& groups,
              const std::vector<NamedTensor>& gradients, const Cut& cut);

  const std::vector<Part>& parts() const { return parts_; }
  /// Of each group, with the room that its parts take.
  const Tensors& gradients() const { return gradients_; }

  /// What the backward pass of the last micro-batch calls for each layer whose gradients, and those
  /// of all layers behind it, are there; empty where nothing begins before the end. It refers to
  /// this.
  std::function<void(std::int64_t)> layer_done();

  /// Begins what has not begun, and returns when all of it is done.
  void finish();

 private:
  void begin_until(std::int64_t layer);

  std::shared_ptr<Communicator> ranks_;
  Cut cut_;
  std::vector<Part> parts_;
  Tensors gradients_;
  std::size_t next_ = 0;
  std::vector<Pending> pending_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/gradient_sum.ipp"
#endif
