// SPDX-License-Identifier: Apache-2.0
// What a rank's optimizer has of the trained parameters, where ranks share the optimizer's memory:
// a slice of every part of the flat buffers (ZeRO, arXiv 1910.02054, stage 1; PyTorch's
// ZeroRedundancyOptimizer, which gives whole tensors to a rank).
//
// After the backward pass a rank has the sums of its slices' gradients (trainer/gradient_sum.hpp).
// It updates its slices, with moments for these alone, and gathers the others' values. The fp32
// masters of narrower weights are kept in slices, too, where the policy can do without them
// (`release_masters`); those of a policy that cannot are gathered. A slice is a whole number of
// blocks of the 8-bit optimizer, so that cutting changes no number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/concepts/gate.hpp"
#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/gradient_sum.hpp"

namespace posttrain {

class Shards {
 public:
  /// Elements that a slice is a multiple of.
  static constexpr std::int64_t kBlock = 4096;

  /// Nothing is cut: the optimizer has all.
  Shards() = default;

  /// Slices of `state`'s groups, by the parts that `sum` was cut into (by a multiple of size ·
  /// kBlock). The groups' memory is enlarged for the last part of each.
  template <class State>
  Shards(std::shared_ptr<Communicator> ranks, State& state, const GradientSum& sum)
      : ranks_(std::move(ranks)), parts_(sum.parts()) {
    std::function<bool()> release_masters = [] { return false; };
    if constexpr (ReleasesMasters<State>) {
      release_masters = [&state] { return state.release_masters(); };
    }
    cut_groups(state.trainable(), sum.gradients(), release_masters);
  }

  bool cut() const { return ranks_ != nullptr; }

  /// What the optimizer has of all groups.
  std::vector<ParameterGroup>& own(std::vector<ParameterGroup>& all) { return cut() ? own_ : all; }

  /// The L2 norm of all gradients, a number in double.
  Tensor norm(const std::vector<ParameterGroup>& all) const;

  /// After the slices' masters changed: puts those of all ranks into the groups, whose `publish`
  /// comes next.
  void gather();

  /// What a checkpoint holds of this rank's: the optimizer's tensors and the masters, under the
  /// names of a run that cuts nothing. An optimizer's tensor belongs to the group whose number its
  /// name ends with ("adamw.exp_avg.1"), and has as many elements, one for each block of them, or
  /// is a number; throws where it is something else.
  std::vector<NamedSlice> tensors(const std::vector<ParameterGroup>& all,
                                  const std::vector<NamedTensor>& optimizer) const;

  /// Of masters that the groups have no more.
  std::int64_t master_bytes() const;

 private:
  void cut_groups(std::vector<ParameterGroup>& groups, const Tensors& gradients,
                  const std::function<bool()>& release_masters);
  NamedSlice of_group(const NamedTensor& tensor, const std::vector<ParameterGroup>& all) const;

  std::shared_ptr<Communicator> ranks_;
  std::vector<GradientSum::Part> parts_;
  Tensors flat_;                     // what is gathered of each group, with room for its parts
  std::vector<ParameterGroup> own_;  // this rank's slice of each part
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/shards.ipp"
#endif
