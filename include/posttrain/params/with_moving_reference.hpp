// SPDX-License-Identifier: Apache-2.0
// A reference that follows the policy (TR-DPO, arXiv 2404.09656): a copy of the model as it is
// loaded, which every `sync_steps` optimizer steps becomes
//
//   reference ← α · policy + (1 − α) · reference
//
// α = 1 is the paper's hard update. TRL: sync_ref_model, ref_model_mixup_alpha,
// ref_model_sync_steps. The copy is part of checkpoints.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/events.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/with_frozen_reference.hpp"

namespace posttrain {

template <class Inner>
class MovingReferenceState : public FrozenReferenceState<Inner> {
 public:
  MovingReferenceState(FrozenReferenceState<Inner> start, double alpha, std::int64_t sync_steps)
      : FrozenReferenceState<Inner>(std::move(start)), alpha_(alpha), sync_steps_(sync_steps) {}

  void on(const event::AfterStep& event) {
    if (event.metrics.step % sync_steps_ == 0) sync();
  }

  /// Moves the reference towards the policy's masters; it is kept in the compute dtype.
  void sync() {
    at::NoGradGuard no_grad;
    const std::vector<NamedTensor> own = this->weights();
    std::vector<NamedTensor> reference = this->reference().weights();  // views
    for (std::size_t i = 0; i < own.size(); ++i) {
      const Tensor exact = reference[i].value.to(own[i].value.scalar_type());
      reference[i].value.copy_(exact.lerp(own[i].value, alpha_));
    }
  }

  /// The reference moves towards the masters.
  bool release_masters() { return false; }

  std::vector<NamedTensor> checkpoint_tensors() const {
    std::vector<NamedTensor> all;
    if constexpr (KeepsTensors<Inner>) {
      all = Inner::checkpoint_tensors();
    }
    for (NamedTensor& tensor : this->reference().weights()) {
      all.push_back({"reference." + tensor.name, tensor.value});
    }
    return all;
  }

 private:
  double alpha_;
  std::int64_t sync_steps_;
};

template <class Params>
struct WithMovingReference {
  static_assert(
      !has_reference<Params>(),
      "posttrain: these Params have a reference without a copy [docs/concepts.md#reference]");
  static constexpr bool has_reference = true;

  Params params{};
  double alpha = 0.6;             // α in (0, 1]: how far the reference moves
  std::int64_t sync_steps = 512;  // optimizer steps between two moves

  constexpr void validate() const {
    if (!(alpha > 0.0 && alpha <= 1.0)) {
      fail("posttrain: WithMovingReference.alpha must be in (0, 1]");
    }
    if (sync_steps < 1) fail("posttrain: WithMovingReference.sync_steps must be at least 1");
    if constexpr (requires { params.validate(); }) params.validate();
  }

  template <class Model>
  MovingReferenceState<StateOf<Params, Model>> attach(
      const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    return {WithFrozenReference<Params>{params}.attach(model, ranks), alpha, sync_steps};
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Params>
WithMovingReference(Params) -> WithMovingReference<Params>;
template <class Params>
WithMovingReference(Params, double) -> WithMovingReference<Params>;
template <class Params>
WithMovingReference(Params, double, std::int64_t) -> WithMovingReference<Params>;

}  // namespace posttrain
