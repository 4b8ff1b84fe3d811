// SPDX-License-Identifier: Apache-2.0
// A reference without a second model in memory: the scores of the model as it is loaded, computed
// for all data before the first step.
//
//   Trainer(model, Dpo{}, WithReferenceScores{Full{}}, Preferences{…}, …)
//
// With `cache_dir` they are kept on disk, keyed by the content of the weights and of the data, and
// found by the next run. They are float32 and come from micro-batches that are packed differently
// from those of a step, so that at step 0 policy and reference agree up to rounding, where a copy
// (WithFrozenReference) agrees bit for bit. TRL: precompute_ref_log_probs.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/attach_among.hpp"

namespace posttrain {

/// The gate of the inner parameters, which is its own reference until it moves.
template <class Inner>
class ScoredReferenceState : public Inner {
 public:
  ScoredReferenceState(Inner inner, std::string cache_dir)
      : Inner(std::move(inner)), cache_dir_(std::move(cache_dir)) {}

  const std::string& reference_cache() const { return cache_dir_; }

  const Inner& reference() const {
    if (moved_) {
      fail(
          "WithReferenceScores has no reference after the first step, and a batch came without "
          "its scores; hint: WithFrozenReference keeps one");
    }
    return *this;
  }

  void publish() {
    Inner::publish();
    moved_ = true;
  }

 private:
  std::string cache_dir_;
  bool moved_ = false;
};

template <class Params>
struct WithReferenceScores {
  static_assert(
      !has_reference<Params>(),
      "posttrain: these Params have a reference without a copy [docs/concepts.md#reference]");
  static constexpr bool has_reference = true;

  Params params{};
  LiteralString cache_dir{};  // folder for the scores; empty: in memory only

  constexpr void validate() const {
    if constexpr (requires { params.validate(); }) params.validate();
  }

  template <class Model>
  ScoredReferenceState<StateOf<Params, Model>> attach(
      const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    return {attach_among(ranks, params, model), cache_dir.str()};
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Params>
WithReferenceScores(Params) -> WithReferenceScores<Params>;
template <class Params>
WithReferenceScores(Params, LiteralString) -> WithReferenceScores<Params>;

}  // namespace posttrain
