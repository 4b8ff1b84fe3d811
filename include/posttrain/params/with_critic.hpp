// SPDX-License-Identifier: Apache-2.0
// A critic on the policy's own trunk: one linear head that says of each hidden row what reward is
// to be expected, trained beside whatever the inner parameters train.
//
//   Trainer(model, Ppo{}, WithCritic{Lora{.rank = 16}}, Rollouts<MathAnswer>{…}, …);
//   save_critic(trainer.state(), "critic.safetensors");          // WithCritic{.file = …} goes on
//
// It is a part of the parameters and none of the model, so every policy and every storage has it,
// and the model's folder stays as others read it; checkpoints of a run hold it. The head is
// float32, starts as zeros (nothing is expected before anything was seen), and computes on rows as
// they are. Names of the file are TRL's (AutoModelForCausalLMWithValueHead). A critic that is a
// model of its own: params/with_critic_model.hpp.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/attach_among.hpp"
#include "posttrain/params/critic/value_head.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// The gate of the inner parameters, with the critic's head beside it.
template <class Inner>
class CriticState : public Inner {
 public:
  CriticState(Inner inner, ValueHead head, bool trains_trunk)
      : Inner(std::move(inner)), head_(std::move(head)), trains_trunk_(trains_trunk) {
    groups_ = Inner::trainable();
    groups_.push_back(head_.group());
  }

  /// Hidden rows [n, d] → expected rewards [n], float32 (fp64 for fp64 models).
  Tensor critic_values(const Tensor& rows) const {
    return head_.values(trains_trunk_ ? rows : rows.detach(), this->anchor());
  }
  const ValueHead& critic() const { return head_; }

  /// The groups of the inner parameters, then the critic's.
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// Handles of the masters would stay here.
  bool release_masters() { return false; }
  /// `weights` are those of the model alone.
  std::vector<NamedTensor> gradients() const {
    std::vector<NamedTensor> all = Inner::gradients();
    for (NamedTensor& tensor : head_.gradients()) all.push_back(std::move(tensor));
    return all;
  }

 private:
  ValueHead head_;
  bool trains_trunk_;
  std::vector<ParameterGroup> groups_;  // handles of the inner ones, not copies
};

template <class Params>
struct WithCritic {
  static constexpr bool trains = posttrain::trains<Params>();
  static constexpr bool has_reference = posttrain::has_reference<Params>();
  static constexpr bool saves_model = posttrain::saves_model<Params>();

  Params params;
  LiteralString file{};      // of `save_critic`; empty: the head starts as zeros
  double lr_ratio = 10.0;    // the head's learning rate over Options::learning_rate
  bool trains_trunk = true;  // false: values train the head alone, and move no other parameter

  constexpr void validate() const {
    if (!(lr_ratio > 0.0)) fail("posttrain: WithCritic.lr_ratio must be positive");
    if constexpr (requires { params.validate(); }) params.validate();
  }

  template <class Model>
  CriticState<StateOf<Params, Model>> attach(
      const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    ValueHead head(model.config().hidden_size, master_dtype(model.dtype()), model.device(),
                   lr_ratio);
    if (!file.view().empty()) head.load(file.str());
    return {attach_among(ranks, params, model), std::move(head), trains_trunk};
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Params>
WithCritic(Params) -> WithCritic<Params>;
template <class Params>
WithCritic(Params, LiteralString) -> WithCritic<Params>;
template <class Params>
WithCritic(Params, LiteralString, double) -> WithCritic<Params>;
template <class Params>
WithCritic(Params, LiteralString, double, bool) -> WithCritic<Params>;

/// Writes the critic's head to a safetensors file, beside and then renamed.
template <class Inner>
void save_critic(const CriticState<Inner>& state, const std::string& file) {
  state.critic().save(file);
}

}  // namespace posttrain
