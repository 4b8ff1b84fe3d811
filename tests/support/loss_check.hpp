// SPDX-License-Identifier: Apache-2.0
// The checks of every loss on pairs, on tables of scores instead of a model: its value against a
// formula in plain numbers, its gradient against finite differences of the formula; neither the
// split into micro-batches nor the order of the pairs changes them.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string_view>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "support/catch.hpp"
#include "support/score_tables.hpp"

namespace posttrain::test {

constexpr double kBeta = 0.3;

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double log_sigmoid(double x) { return -std::log1p(std::exp(-x)); }

/// Deterministic ids of the score tables.
inline TokenIds table_ids(std::int64_t count, std::uint64_t seed) {
  Philox4x32 generator(seed, 99);
  TokenIds ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<TokenId>(generator.below(50)));
  return ids;
}

/// Seven pairs of answers of different lengths.
inline std::vector<AnswerPair> seven_pairs() {
  std::vector<AnswerPair> pairs;
  for (std::uint64_t i = 1; i <= 7; ++i) {
    AnswerPair pair;
    pair.prompt = table_ids(3, i);
    pair.chosen.ids = table_ids(2 + static_cast<std::int64_t>(i * 7 % 5), 100 + i);
    pair.rejected.ids = table_ids(2 + static_cast<std::int64_t>(i * 3 % 4), 200 + i);
    for (Sequence* answer : {&pair.chosen, &pair.rejected}) {
      answer->weights.assign(answer->ids.size(), 1.0F);
    }
    pair.sample = static_cast<std::int64_t>(i);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

/// A micro-batch of these pairs, in this order.
inline PairBatch pairs_at(const std::vector<AnswerPair>& pairs,
                          const std::vector<std::size_t>& order) {
  std::vector<const AnswerPair*> some;
  for (const std::size_t i : order) some.push_back(&pairs[i]);
  return pack_pairs(some);
}

/// All that the formulas read of an answer.
struct AnswerNumbers {
  double logp = 0.0, ref = 0.0;            // of the whole answer
  double length = 0.0;                     // tokens
  double head_logp = 0.0, head_ref = 0.0;  // of the tokens within the other answer's length
  double alignment = 0.0;                  // mean of log p − log Σ p²
  double ratio() const { return logp - ref; }
  double mean() const { return logp / length; }
};
struct PairNumbers {
  AnswerNumbers w, l;
};
using Step = std::vector<PairNumbers>;

inline Step numbers(const std::vector<AnswerPair>& pairs, const ScoreTables& tables) {
  const auto answer = [&](const TokenIds& ids, std::size_t other) {
    AnswerNumbers all;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const double p = tables.policy[ids[i]].item<double>();
      const double r = tables.reference[ids[i]].item<double>();
      all.logp += p;
      all.ref += r;
      all.alignment += p - tables.log_sum_sq[ids[i]].item<double>();
      if (i < other) all.head_logp += p;
      if (i < other) all.head_ref += r;
    }
    all.length = static_cast<double>(ids.size());
    all.alignment /= all.length;
    return all;
  };
  Step all;
  for (const AnswerPair& pair : pairs) {
    all.push_back({answer(pair.chosen.ids, pair.rejected.ids.size()),
                   answer(pair.rejected.ids, pair.chosen.ids.size())});
  }
  return all;
}

/// A mean over pairs of a formula for one.
template <class Formula>
auto mean_of(const Formula& formula) {
  return [formula](const Step& pairs, const Step&) {
    double sum = 0.0;
    for (const PairNumbers& pair : pairs) sum += formula(pair.w, pair.l);
    return sum / static_cast<double>(pairs.size());
  };
}

/// A mean over pairs of a formula of x = β (r_w − r_l).
template <class Formula>
auto of_difference(const Formula& formula) {
  return mean_of([formula](const AnswerNumbers& w, const AnswerNumbers& l) {
    return formula(kBeta * (w.ratio() - l.ratio()));
  });
}

inline double metric(const LossAndGradient& step, std::string_view name) {
  for (const auto& [own, value] : step.metrics) {
    if (own == name) return value;
  }
  FAIL("no metric " << name);
  return 0.0;
}

inline double largest(const Tensor& values) { return values.abs().max().item<double>(); }

/// Loss, gradient and metrics agree.
inline void check_same(const LossAndGradient& step, const LossAndGradient& expected) {
  CHECK(std::abs(step.loss - expected.loss) < 1e-12 * std::max(1.0, std::abs(expected.loss)));
  CHECK(largest(step.gradient - expected.gradient) < 1e-12);
  REQUIRE(step.metrics.size() == expected.metrics.size());
  for (const auto& [name, value] : expected.metrics) {
    INFO(name);
    CHECK(std::abs(metric(step, name) - value) < 1e-12);
  }
}

/// `formula(now, held)`: the loss of a step; all that carries no gradient is computed from `held`.
template <class Loss, class Formula>
void check_pair_loss(const Loss& loss, const Formula& formula) {
  INFO(describe(loss));
  loss.validate();
  const std::vector<AnswerPair> pairs = seven_pairs();
  const ScoreTables tables = ScoreTables::some();
  const Step now = numbers(pairs, tables);
  const PairBatch all = pairs_at(pairs, {0, 1, 2, 3, 4, 5, 6});
  const LossAndGradient whole = step_on(loss, tables, std::vector{all});
  const double expected = formula(now, now);
  CHECK(std::abs(whole.loss - expected) < 1e-10 * std::max(1.0, std::abs(expected)));
  const Tensor slopes = differences(
      tables, [&](const ScoreTables& there) { return formula(numbers(pairs, there), now); });
  CHECK(largest(slopes) > 1e-4);
  CHECK(largest(whole.gradient - slopes) < 1e-6 * largest(slopes));

  check_same(step_on(loss, tables,
                     std::vector{pairs_at(pairs, {0}), pairs_at(pairs, {1, 2, 3, 4}),
                                 pairs_at(pairs, {5, 6})}),
             whole);
  check_same(step_on(loss, tables, std::vector{pairs_at(pairs, {4, 6, 0, 5, 2, 1, 3})}), whole);
  if constexpr (!CountsTerms<Loss>) CHECK(term_counts(loss, all) == std::vector<double>{7.0});
}

/// The loss where policy and reference agree, as before the first step; there, every reward is 0.
template <class Loss>
void check_start(const Loss& loss, double expected) {
  INFO(describe(loss));
  ScoreTables tables = ScoreTables::some();
  tables.policy = tables.reference;
  const LossAndGradient start =
      step_on(loss, tables, std::vector{pairs_at(seven_pairs(), {0, 1, 2, 3, 4, 5, 6})});
  CHECK(std::abs(start.loss - expected) < 1e-12 * std::max(1.0, std::abs(expected)));
  CHECK(metric(start, "rewards/chosen") == 0.0);
  CHECK(metric(start, "rewards/rejected") == 0.0);
}

/// The metrics of a loss whose implicit reward of an answer is β · `reward(answer)`.
template <class Loss, class Reward>
void check_rewards(const Loss& loss, const Reward& reward) {
  INFO(describe(loss));
  const std::vector<AnswerPair> pairs = seven_pairs();
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient step =
      step_on(loss, tables, std::vector{pairs_at(pairs, {0, 1, 2, 3, 4, 5, 6})});
  double chosen = 0.0, rejected = 0.0, accuracy = 0.0;
  for (const PairNumbers& pair : numbers(pairs, tables)) {
    chosen += loss.beta * reward(pair.w) / 7.0;
    rejected += loss.beta * reward(pair.l) / 7.0;
    accuracy += (reward(pair.w) > reward(pair.l)) / 7.0;
  }
  CHECK(std::abs(chosen - rejected) > 1e-3);
  CHECK(std::abs(metric(step, "rewards/chosen") - chosen) < 1e-12);
  CHECK(std::abs(metric(step, "rewards/rejected") - rejected) < 1e-12);
  CHECK(std::abs(metric(step, "rewards/margins") - (chosen - rejected)) < 1e-12);
  CHECK(std::abs(metric(step, "rewards/accuracies") - accuracy) < 1e-12);
}

/// Each f-divergence with its s(r) in plain numbers.
template <class Check>
void for_divergences(const Check& check) {
  using Score = std::function<double(double)>;
  check(Divergence{FDivergence::reverse_kl}, Score([](double r) { return r; }));
  check(Divergence{FDivergence::forward_kl}, Score([](double r) { return 1.0 - std::exp(-r); }));
  check(Divergence{FDivergence::js_divergence},
        Score([](double r) { return std::log(2.0) + log_sigmoid(r); }));
  check(Divergence{FDivergence::alpha_divergence, 0.3},
        Score([](double r) { return (std::exp(-0.7 * r) - 1.0) / -0.7; }));
}

}  // namespace posttrain::test
