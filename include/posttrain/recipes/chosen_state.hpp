// SPDX-License-Identifier: Apache-2.0
// The state of parameters that are chosen while the program runs: one type for all of them, so that
// a Trainer of each loss is compiled once, not once for each form of parameters and storage.
//
// Every call goes to the state that was chosen. Of the optional facets (concepts/gate.hpp) it has
// those that these parameters share: a reference, tensors for checkpoints, the weights' version.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/concepts/gate.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/tensor.hpp"
#include "posttrain/trainer/run/footprint.hpp"

namespace posttrain {

/// A gate that is chosen while the program runs. A copy shares it.
class ChosenGate {
 public:
  template <class G>
  explicit ChosenGate(std::shared_ptr<const G> gate)
      : calls_(std::make_shared<const CallsOf<G>>(std::move(gate))) {}

  Tensor linear(int site, const Tensor& x) const { return calls_->linear(site, x); }
  Tensor embed(int table, const Tensor& ids) const { return calls_->embed(table, ids); }
  Tensor vector(int index) const { return calls_->vector(index); }
  const Tensor& anchor() const { return calls_->anchor(); }

 private:
  struct Calls {
    virtual ~Calls() = default;
    virtual Tensor linear(int site, const Tensor& x) const = 0;
    virtual Tensor embed(int table, const Tensor& ids) const = 0;
    virtual Tensor vector(int index) const = 0;
    virtual const Tensor& anchor() const = 0;
  };
  template <class G>
  struct CallsOf : Calls {
    explicit CallsOf(std::shared_ptr<const G> one) : gate(std::move(one)) {}
    Tensor linear(int site, const Tensor& x) const override { return gate->linear(site, x); }
    Tensor embed(int table, const Tensor& ids) const override { return gate->embed(table, ids); }
    Tensor vector(int index) const override { return gate->vector(index); }
    const Tensor& anchor() const override { return gate->anchor(); }
    std::shared_ptr<const G> gate;
  };

  std::shared_ptr<const Calls> calls_;
};

class ChosenState : public ChosenGate {
 public:
  template <class State>
  explicit ChosenState(State state) : ChosenState(std::make_shared<State>(std::move(state))) {}

  std::vector<ParameterGroup>& trainable() { return calls_->trainable(); }
  const std::vector<ParameterGroup>& trainable() const { return calls_->trainable(); }
  void publish() { calls_->publish(); }
  bool release_masters() { return calls_->release_masters(); }
  std::vector<NamedTensor> weights() const { return calls_->weights(); }
  std::vector<NamedTensor> gradients() const { return calls_->gradients(); }
  std::vector<NamedTensor> checkpoint_tensors() const { return calls_->checkpoint_tensors(); }
  std::uint64_t weights_version() const { return calls_->weights_version(); }
  /// What the footprint of the chosen state counts as weights.
  std::int64_t bytes() const { return calls_->bytes(); }
  /// The reference of the chosen state; of one that has none, the state itself, whose scores before
  /// the first step are the reference's.
  ChosenGate reference() const { return calls_->reference(); }

 private:
  struct Calls {
    virtual ~Calls() = default;
    virtual std::vector<ParameterGroup>& trainable() = 0;
    virtual void publish() = 0;
    virtual bool release_masters() = 0;
    virtual std::vector<NamedTensor> weights() const = 0;
    virtual std::vector<NamedTensor> gradients() const = 0;
    virtual std::vector<NamedTensor> checkpoint_tensors() const = 0;
    virtual std::uint64_t weights_version() const = 0;
    virtual std::int64_t bytes() const = 0;
    virtual ChosenGate reference() const = 0;
  };
  template <class State>
  struct CallsOf : Calls {
    explicit CallsOf(std::shared_ptr<State> one) : state(std::move(one)) {}
    std::vector<ParameterGroup>& trainable() override { return state->trainable(); }
    void publish() override { state->publish(); }
    bool release_masters() override {
      if constexpr (ReleasesMasters<State>) return state->release_masters();
      return false;
    }
    std::vector<NamedTensor> weights() const override { return state->weights(); }
    std::vector<NamedTensor> gradients() const override { return state->gradients(); }
    std::vector<NamedTensor> checkpoint_tensors() const override {
      if constexpr (requires { state->checkpoint_tensors(); }) return state->checkpoint_tensors();
      return {};
    }
    std::uint64_t weights_version() const override { return state->weights_version(); }
    std::int64_t bytes() const override { return footprint_of(0, *state, {}).weights; }
    ChosenGate reference() const override {
      if constexpr (requires { state->reference(); }) {
        using Reference = std::remove_cvref_t<decltype(state->reference())>;
        if constexpr (std::is_reference_v<decltype(state->reference())>) {
          return ChosenGate(std::shared_ptr<const Reference>(state, &state->reference()));
        } else {
          return ChosenGate(std::make_shared<const Reference>(state->reference()));
        }
      } else {
        return ChosenGate(std::shared_ptr<const State>(state));
      }
    }
    std::shared_ptr<State> state;
  };

  template <class State>
  explicit ChosenState(std::shared_ptr<State> state)
      : ChosenGate(std::shared_ptr<const State>(state)),
        calls_(std::make_shared<CallsOf<State>>(std::move(state))) {}

  std::shared_ptr<Calls> calls_;
};

}  // namespace posttrain
