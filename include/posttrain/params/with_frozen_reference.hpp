// SPDX-License-Identifier: Apache-2.0
// A reference for parameters that have none: a frozen copy of the model as it is loaded.
//
//   Trainer(model, Dpo{}, WithFrozenReference{Full{}}, …)
//
// One more copy of the weights in the compute dtype. Adapters and subspaces need none: their base
// is the reference.
#pragma once

#include <memory>
#include <utility>

#include "posttrain/concepts/params.hpp"
#include "posttrain/params/attach_among.hpp"
#include "posttrain/params/frozen.hpp"

namespace posttrain {

/// The gate of the inner parameters, with the copy beside it.
template <class Inner>
class FrozenReferenceState : public Inner {
 public:
  FrozenReferenceState(Inner inner, FrozenState reference)
      : Inner(std::move(inner)), reference_(std::move(reference)) {}

  const FrozenState& reference() const { return reference_; }

 private:
  FrozenState reference_;
};

template <class Params>
struct WithFrozenReference {
  static_assert(
      !has_reference<Params>(),
      "posttrain: these Params have a reference without a copy [docs/concepts.md#reference]");
  static constexpr bool has_reference = true;

  Params params{};

  constexpr void validate() const {
    if constexpr (requires { params.validate(); }) params.validate();
  }

  template <class Model>
  FrozenReferenceState<StateOf<Params, Model>> attach(
      const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    return {attach_among(ranks, params, model), Frozen{}.attach(model)};
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Params>
WithFrozenReference(Params) -> WithFrozenReference<Params>;

}  // namespace posttrain
