// SPDX-License-Identifier: Apache-2.0
// Losses on policies (GRPO and its family), of three parts and options:
//
//   L = Σ_i weight_i [ importance_i · term(w_i, log p_i, A_i) − c H_i + β KL_i ] / divisor
//
// over the trained tokens of an optimizer step, with w the ratio to the policy before the first
// update, A the advantage (losses/policy/advantage.hpp), H the entropy. `Term`, `Ratio` and `Kl`
// are functors (losses/policy/); the aliases of losses/grpo.hpp have the papers' values. One's own
// term is any functor of (ratio, log p, advantage), [P] each:
//
//   struct Mine { Tensor operator()(const Tensor& w, const Tensor&, const Tensor& a) const; };
//   PolicyLoss<Mine> loss;
//
// Weights and divisor are the normaliser's, over the whole step, so that no split into
// micro-batches changes the loss; TRL's bnpo, which divides by the tokens of a micro-batch, is not
// offered for that reason. Before the first update w is 1 to the bit.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/policy/advantage.hpp"
#include "posttrain/losses/policy/clip.hpp"
#include "posttrain/losses/policy/entropy_control.hpp"
#include "posttrain/losses/policy/importance.hpp"
#include "posttrain/losses/policy/kl.hpp"
#include "posttrain/losses/policy/measures.hpp"
#include "posttrain/losses/policy/token_ratio.hpp"
#include "posttrain/losses/policy/tokens.hpp"
#include "posttrain/nn/lm_head.hpp"

namespace posttrain {

/// The values that fields of a PolicyLoss have by default. A paper's are a struct that hides some
/// of them, and may have `term`, `ratio` and `kl`.
struct DefaultValues {
  static constexpr AdvantageEstimator advantage{};
  static constexpr Normalizer normalizer = Normalizer::tokens;
  static constexpr Truncated truncated = Truncated::train;
  static constexpr EqualRewards equal_rewards = EqualRewards::keep;
};

namespace detail {

template <class Term>
concept PolicyTerm = requires(const Term& term, const Tensor& values) {
  { term(values, values, values) } -> std::same_as<Tensor>;
};

/// A term that compares the tokens of a whole step.
template <class Term>
concept GatheringTerm = requires(const Term& term, const PolicyTokens& tokens,
                                 const std::vector<PolicyTokens>& step,
                                 const typename Term::Statistics& statistics) {
  { term.gather(step) } -> std::same_as<typename Term::Statistics>;
  { term(tokens, statistics) } -> std::same_as<Tensor>;
};

struct NoStatistics {};
template <class Term>
struct StatisticsOfTerm {
  using type = NoStatistics;
};
template <GatheringTerm Term>
struct StatisticsOfTerm<Term> {
  using type = typename Term::Statistics;
};

template <class Ratio>
concept PolicyRatio = requires(const Ratio& ratio, const Tensor& values,
                               const RolloutBatch& batch) {
  { ratio(values, values, batch) } -> std::same_as<Tensor>;
  { Ratio::row_local } -> std::convertible_to<bool>;
};

/// A ratio with the weights by importance in it: the term is not multiplied by them.
template <class Ratio>
concept HoldsImportance = Ratio::holds_importance;

// The value of a paper for a part of this type, or the part's own default.
template <class Values, class Term>
constexpr Term term_of() {
  if constexpr (requires { requires std::same_as<decltype(Values::term), const Term>; }) {
    return Values::term;
  } else {
    return {};
  }
}
template <class Values, class Ratio>
constexpr Ratio ratio_of() {
  if constexpr (requires { requires std::same_as<decltype(Values::ratio), const Ratio>; }) {
    return Values::ratio;
  } else {
    return {};
  }
}
template <class Values, class Kl>
constexpr Kl kl_of() {
  if constexpr (requires { requires std::same_as<decltype(Values::kl), const Kl>; }) {
    return Values::kl;
  } else {
    return {};
  }
}

}  // namespace detail

template <class Term = Clip, class Ratio = TokenRatio, class KlPart = NoKl,
          class Values = DefaultValues>
struct PolicyLoss {
  static_assert(static_cast<bool>(detail::PolicyTerm<Term> || detail::GatheringTerm<Term>),
                "posttrain: a policy's term needs `Tensor operator()(const Tensor& ratio, const "
                "Tensor& logps, const Tensor& advantage) const` [docs/losses.md#policy-terms]");
  static_assert(static_cast<bool>(detail::PolicyRatio<Ratio>),
                "posttrain: a policy's ratio needs `Tensor operator()(const Tensor& log_ratio, "
                "const Tensor& advantage, const RolloutBatch&) const` and `static constexpr bool "
                "row_local` [docs/losses.md#policy-terms]");
  using Batch = RolloutBatch;
  static constexpr bool row_local = Ratio::row_local;
  static constexpr bool needs_reference = KlPart::needs_reference;

  /// Numbers on the device, of all micro-batches of a step; undefined where no option asks.
  struct Statistics {
    Tensor entropy_threshold{};    // of top_entropy
    Tensor entropy_coefficient{};  // of entropy_target
    typename detail::StatisticsOfTerm<Term>::type term{};
  };

  /// The same loss compared with a reference: Grpo::With<Kl>{.kl = {.coefficient = 0.001}}.
  template <class Other>
  using With = PolicyLoss<Term, Ratio, Other, Values>;

  Term term = detail::term_of<Values, Term>();
  Ratio ratio = detail::ratio_of<Values, Ratio>();
  KlPart kl = detail::kl_of<Values, KlPart>();
  AdvantageEstimator advantage = Values::advantage;
  Normalizer normalizer = Values::normalizer;
  std::int64_t max_length = 0;  // of Normalizer::constant: the longest completion that may be
  Truncated truncated = Values::truncated;
  EqualRewards equal_rewards = Values::equal_rewards;
  double entropy_coefficient = 0.0;  // c: rewards entropy
  // Above 0: c fades to 0 as the step's mean entropy H̄ rises to this, c · max(0, 1 − H̄ / target).
  double entropy_target = 0.0;
  EntropyControl entropy_control{};  // instead: moves c, which begins as entropy_coefficient
  double top_entropy = 1.0;  // ρ: only this share of the step's tokens, those of most entropy, is
                             // trained on (2506.01939: 0.2); the divisor and KL stay those of all
  ImportanceCorrection importance{};  // of samples that another engine drew

  constexpr void validate() const {
    if constexpr (requires { term.validate(); }) term.validate();
    if constexpr (requires { ratio.validate(); }) ratio.validate();
    if constexpr (requires { kl.validate(); }) kl.validate();
    advantage.validate();
    importance.validate();
    if (!(top_entropy > 0.0 && top_entropy <= 1.0)) {
      fail("posttrain: PolicyLoss.top_entropy must be in (0, 1]");
    }
    if (!(entropy_target >= 0.0)) fail("posttrain: PolicyLoss.entropy_target must not be negative");
    entropy_control.validate();
    if (entropy_control.on()) {
      if (entropy_target > 0.0) {
        fail(
            "posttrain: expected PolicyLoss.entropy_target or entropy_control.target, got both; "
            "hint: the first fades the bonus within a step, the second moves its coefficient");
      }
      if (!(entropy_coefficient >= entropy_control.least &&
            entropy_coefficient <= entropy_control.most)) {
        fail(
            "posttrain: PolicyLoss.entropy_coefficient must be within the bounds of "
            "entropy_control, which moves it");
      }
    }
    if (normalizer == Normalizer::constant && max_length <= 0) {
      fail(
          "posttrain: expected a positive max_length for Normalizer::constant; hint: the longest "
          "completion that sampling allows, not the longest that there is");
    }
    if (equal_rewards == EqualRewards::drop && !advantage.compares_samples()) {
      fail(
          "posttrain: expected a baseline that compares samples where equal rewards are dropped; "
          "hint: Baseline::mean");
    }
    if (advantage.rewards == RewardMix::each && kl_in_reward()) {
      fail("posttrain: expected KL in the loss where rewards are compared each by itself");
    }
  }

  Need needs() const { return {.entropy = true}; }

  double count(const RolloutBatch& batch) const { return batch.counted; }

  /// Scores the step before its first backward pass only where an option asks for it.
  Statistics gather(const std::vector<Scored<RolloutBatch>>& step) const {
    Statistics statistics;
    if (top_entropy < 1.0 || fading_bonus()) {
      Tensors entropies;
      for (const Scored<RolloutBatch>& scored : step) {
        entropies.push_back(scored.scores().entropy);
      }
      if (top_entropy < 1.0) {
        statistics.entropy_threshold = step_quantile(entropies, 1.0 - top_entropy);
      }
      if (fading_bonus()) {
        statistics.entropy_coefficient =
            faded_coefficient(entropies, entropy_coefficient, entropy_target);
      }
    }
    if constexpr (detail::GatheringTerm<Term>) {
      std::vector<PolicyTokens> tokens;
      for (const Scored<RolloutBatch>& scored : step) {
        const Scores& scores = scored.scores();
        tokens.push_back(tokens_of(scores, scored.batch(), weights_of(scores, scored.batch())));
      }
      statistics.term = term.gather(tokens);
    }
    return statistics;
  }

  Tensor sum(const Scores& scores, const RolloutBatch& batch, const Statistics& statistics) const {
    const Tensor weights = weights_of(scores, batch);
    Tensor loss = term_of_tokens(tokens_of(scores, batch, weights), statistics);
    if constexpr (!detail::HoldsImportance<Ratio>) {
      if (batch.importance.defined()) loss = loss * batch.importance;
    }
    if (fading_bonus()) {
      loss = loss - statistics.entropy_coefficient * scores.entropy;
    } else if (entropy_coefficient != 0.0) {
      loss = loss - entropy_coefficient * scores.entropy;
    }
    if (top_entropy < 1.0) {
      loss = loss * scores.entropy.detach().ge(statistics.entropy_threshold);
    }
    if constexpr (needs_reference) {
      if (!kl_in_reward()) loss = loss + kl.penalty(scores.logp, batch.ref_logps, weights);
    }
    return (loss * batch.weight).sum();
  }

  /// Of entropy_control: c, and 1 where the bonus acts in the next step, else 0.
  std::vector<double> first_state() const {
    if (!entropy_control.on()) return {};
    return {entropy_coefficient, 0.0};
  }
  std::vector<double> next_state(const std::vector<double>& state,
                                 const std::vector<std::pair<std::string, double>>& metrics) const {
    for (const auto& [name, entropy] : metrics) {
      if (state.empty() || name != "entropy") continue;
      return {entropy_control.moved(state.at(0), entropy),
              entropy_control.acts_after(entropy) ? 1.0 : 0.0};
    }
    return state;
  }
  PolicyLoss in_state(const std::vector<double>& state) const {
    PolicyLoss now = *this;
    if (!state.empty()) now.entropy_coefficient = state.at(0) * state.at(1);
    return now;
  }

  /// TRL's names: entropy, kl (of the estimator, without its coefficient), clip_ratio/… of terms
  /// that clip, sampling/…; entropy_coef, c of this step where it is controlled; what a term
  /// measures itself; ours: ratio/mean, ratio/max, ratio/clamped (the share of log-ratios beyond ±
  /// 20). Each is over the trained tokens of the step (losses/policy/measures.hpp).
  void measure(const Scores& scores, const RolloutBatch& batch, MetricMeans& means) const {
    const Tensor weights = weights_of(scores, batch);
    measure_policy(scores, log_ratio(scores, batch), weights, batch, means);
    if (entropy_control.on()) means.add_max("entropy_coef", entropy_coefficient);
    if constexpr (requires { term.clipped(weights, scores.logp, batch.advantage); }) {
      measure_clipped(term.clipped(weights, scores.logp, batch.advantage), batch, means);
    }
    if constexpr (requires { term.measure(weights, batch, means); }) {
      term.measure(weights, batch, means);
    }
    if constexpr (needs_reference) measure_kl(kl, scores.logp, batch.ref_logps, weights, means);
  }

  RolloutNeeds rollout_needs() const {
    const bool token_baseline = advantage.baseline == Baseline::optimal_token;
    return {
        .least_group = advantage.compares_samples() ? 2 : 1,
        .normalizer = normalizer,
        .max_length = max_length,
        .old_logps = token_baseline || kl_in_reward() || importance.level != ImportanceLevel::none,
        .log_sum_sq = token_baseline,
        .greedy = advantage.baseline == Baseline::greedy};
  }

  Advantages advantages(const Rollout& rollout) const {
    Advantages all = blank_advantages(rollout);
    weigh_importance(rollout, importance, all);
    estimate_advantages(rollout, advantage, reward_penalty(), equal_rewards, all);
    if (truncated == Truncated::mask) leave_out_truncated(rollout, all);
    return all;
  }

  /// What is subtracted from the reward of each token; null: nothing.
  const Kl* reward_penalty() const {
    if constexpr (std::same_as<KlPart, Kl>) {
      if (kl_in_reward()) return &kl;
    }
    return nullptr;
  }

 private:
  constexpr bool kl_in_reward() const {
    if constexpr (requires { kl.place; }) return kl.place == KlPlace::reward;
    return false;
  }

  constexpr bool fading_bonus() const { return entropy_coefficient != 0.0 && entropy_target > 0.0; }

  static PolicyTokens tokens_of(const Scores& scores, const RolloutBatch& batch,
                                const Tensor& weights) {
    return {weights, scores.logp, batch.advantage, batch.draw};
  }

  Tensor term_of_tokens(const PolicyTokens& tokens, const Statistics& statistics) const {
    if constexpr (detail::GatheringTerm<Term>) {
      return term(tokens, statistics.term);
    } else {
      return term(tokens.ratio, tokens.logps, tokens.advantage);
    }
  }

  Tensor log_ratio(const Scores& scores, const RolloutBatch& batch) const {
    return scores.logp - (batch.old_logps.defined() ? batch.old_logps : scores.logp.detach());
  }

  /// w of each prediction, [P].
  Tensor weights_of(const Scores& scores, const RolloutBatch& batch) const {
    const Tensor log_weights = ratio(log_ratio(scores, batch), batch.advantage, batch);
    return exp(log_weights.clamp(-kMaxLogRatio, kMaxLogRatio));
  }
};

}  // namespace posttrain
