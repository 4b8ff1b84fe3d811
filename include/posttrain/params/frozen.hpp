// SPDX-License-Identifier: Apache-2.0
// No parameter is trained: for a model that is only read (generation, scoring, conversion).
//
// Weights have one copy in the compute dtype, or in the storage's form; there are no masters and no
// gradients, and no graph is recorded. A Trainer refuses it. Gradients pass through it, so a policy
// that trains a few numbers beside a fixed model can stand on it (docs/concepts.md#params).
#pragma once

#include <string_view>

#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/storage/dense.hpp"

namespace posttrain {

template <class Storage = Dense>
struct BasicFrozen {
  using State = ModelWeights<Storage>;
  static constexpr bool trains = false;
  static constexpr bool has_reference = false;

  Storage storage{};

  constexpr void validate() const { storage.validate(); }

  State attach(const auto& model) const {
    return State(WeightSource::of(model), storage, [](std::string_view) { return false; });
  }
};

using Frozen = BasicFrozen<>;
using FrozenState = ModelWeights<Dense>;

}  // namespace posttrain
