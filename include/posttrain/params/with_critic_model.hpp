// SPDX-License-Identifier: Apache-2.0
// A critic that is a model of its own, with parameters of its own, behind the same gate: a reward
// model's, whose score of an answer cut off anywhere is the value that training starts from.
//
//   models::RewardDecoder judge(…);                                  // has to live as long
//   Trainer(model, Ppo{}, WithCriticModel{Lora{}, judge, Full{}}, Rollouts<…>{…}, …);
//
// It reads the ids that the policy reads, so vocabularies have to agree; both compute in one dtype
// on one device. Soft prompts and prefixes of the policy would shift its rows, and are refused.
// verl and OpenRLHF train critics of their own models likewise; TRL's PPOTrainer: value_model.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/batch.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/attach_among.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// The gate of the policy's parameters, with the critic's model and gate beside it.
template <class Inner, class Critic, class CriticGate>
class CriticModelState : public Inner {
  static_assert(!HasVirtualTokens<Inner> && !HasVirtualTokens<CriticGate>,
                "posttrain: a critic of its own and its policy read the same rows, so neither may "
                "have virtual tokens; take WithCritic [docs/parameters.md#critics]");

 public:
  CriticModelState(Inner inner, const Critic& critic, CriticGate critic_gate)
      : Inner(std::move(inner)), critic_(&critic), critic_gate_(std::move(critic_gate)) {
    groups_ = Inner::trainable();
    for (ParameterGroup group : critic_gate_.trainable()) {
      group.name = "critic." + group.name;
      groups_.push_back(std::move(group));
    }
  }

  /// The critic's hidden rows [T, d] of a batch.
  Tensor critic_hidden(const TokenBatch& batch) const {
    return critic_->hidden(critic_gate_, batch);
  }
  /// Some of them, [n, d] → values [n], float32 (fp64 for fp64 models).
  Tensor critic_values(const Tensor& rows) const {
    return critic_->logits(critic_gate_, rows).flatten().to(master_dtype(rows.scalar_type()));
  }
  const CriticGate& critic() const { return critic_gate_; }

  /// The groups of the policy, then the critic's.
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// Handles of the masters would stay here.
  bool release_masters() { return false; }
  void publish() {
    Inner::publish();
    critic_gate_.publish();
  }
  /// `weights` are those of the policy's model alone.
  std::vector<NamedTensor> gradients() const {
    std::vector<NamedTensor> all = Inner::gradients();
    for (NamedTensor& tensor : critic_gate_.gradients()) {
      all.push_back({"critic." + tensor.name, tensor.value});
    }
    return all;
  }
  std::vector<NamedTensor> checkpoint_tensors() const {
    std::vector<NamedTensor> all;
    if constexpr (KeepsTensors<Inner>) all = Inner::checkpoint_tensors();
    if constexpr (KeepsTensors<CriticGate>) {
      for (NamedTensor& tensor : critic_gate_.checkpoint_tensors()) {
        all.push_back({"critic." + tensor.name, tensor.value});
      }
    }
    return all;
  }

 private:
  const Critic* critic_;
  CriticGate critic_gate_;
  std::vector<ParameterGroup> groups_;  // handles of those of both gates, not copies
};

template <class Params, class Critic, class CriticParams>
struct WithCriticModel {
  static_assert(predicts_rewards<Critic>(),
                "posttrain: a critic is a model that gives rewards, a models::RewardDecoder "
                "[docs/parameters.md#critics]");

  static constexpr bool trains = posttrain::trains<Params>();
  static constexpr bool has_reference = posttrain::has_reference<Params>();
  static constexpr bool saves_model = posttrain::saves_model<Params>();

  Params params;
  const Critic* critic;
  CriticParams critic_params;

  WithCriticModel(Params of_policy, const Critic& critic_model, CriticParams of_critic)
      : params(std::move(of_policy)), critic(&critic_model), critic_params(std::move(of_critic)) {}

  void validate() const {
    if constexpr (requires { params.validate(); }) params.validate();
    if constexpr (requires { critic_params.validate(); }) critic_params.validate();
  }

  std::string description() const {
    std::string content;
    if constexpr (requires { critic->content(); }) content = critic->content().text();
    return fmt::format("WithCriticModel{{{}, {}, {}}}", describe(params), content,
                       describe(critic_params));
  }

  template <class Model>
  CriticModelState<StateOf<Params, Model>, Critic, StateOf<CriticParams, Critic>> attach(
      const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    if (critic->dtype() != model.dtype() || critic->device() != model.device()) {
      raise("expected a critic of the policy's dtype on its device, {} on {}, got {} on {}",
            c10::toString(model.dtype()), model.device().str(), c10::toString(critic->dtype()),
            critic->device().str());
    }
    if (critic->config().vocab_size != model.config().vocab_size) {
      raise(
          "expected a critic with the policy's vocabulary of {} ids, got {}; hint: it reads what "
          "the policy writes, id by id",
          model.config().vocab_size, critic->config().vocab_size);
    }
    return {attach_among(ranks, params, model), *critic,
            attach_among(ranks, critic_params, *critic)};
  }
};

}  // namespace posttrain
