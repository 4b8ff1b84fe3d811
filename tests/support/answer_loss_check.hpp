// SPDX-License-Identifier: Apache-2.0
// The checks of every loss on single judged answers, as those on pairs (support/loss_check.hpp).
#pragma once

#include <cmath>
#include <vector>

#include "posttrain/batch/answers.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "support/loss_check.hpp"

namespace posttrain::test {

/// Answers 0 and 3 are to one prompt, as are 1 and 4; the others stand alone.
inline std::vector<Answer> seven_answers() {
  std::vector<Answer> answers;
  for (std::int64_t i = 0; i < 7; ++i) {
    Answer answer;
    answer.prompt = table_ids(3, static_cast<std::uint64_t>(i < 5 ? i % 3 + 1 : i + 1));
    answer.answer.ids = table_ids(2 + i * 7 % 5, static_cast<std::uint64_t>(100 + i));
    answer.answer.weights.assign(answer.answer.ids.size(), 1.0F);
    answer.desirable = i % 3 != 1;
    answer.sample = i;
    answers.push_back(std::move(answer));
  }
  return answers;
}

inline std::vector<AnswerBatch> answer_batches(const data::Packs& packs, bool share = true) {
  static const std::vector<Answer> answers = seven_answers();
  std::vector<std::vector<const Answer*>> chosen;
  for (const auto& pack : packs) {
    auto& pointers = chosen.emplace_back();
    for (const std::int64_t i : pack) pointers.push_back(&answers[static_cast<std::size_t>(i)]);
  }
  return AnswerKind{.share_prompts = share}.batches(chosen);
}

/// Log-ratios of the answers, and of prompts with the answers before.
struct AnswerRatios {
  std::vector<double> own, other;
  std::vector<bool> desirable;
};

inline AnswerRatios ratios(const ScoreTables& tables) {
  const std::vector<Answer> answers = seven_answers();
  const auto ratio = [&](const Answer& answer) {
    double sum = 0.0;
    for (const TokenId id : answer.answer.ids) {
      sum += tables.policy[id].item<double>() - tables.reference[id].item<double>();
    }
    return sum;
  };
  AnswerRatios all;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    all.own.push_back(ratio(answers[i]));
    all.other.push_back(ratio(answers[(i + answers.size() - 1) % answers.size()]));
    all.desirable.push_back(answers[i].desirable);
  }
  return all;
}

/// The mean over answers of a formula of (log-ratio, desirable).
template <class Formula>
double mean_over(const AnswerRatios& ratios, const Formula& formula) {
  double sum = 0.0;
  for (std::size_t i = 0; i < ratios.own.size(); ++i) {
    sum += formula(ratios.own[i], ratios.desirable[i]);
  }
  return sum / static_cast<double>(ratios.own.size());
}

/// `formula(now, held)`: the loss of a step; all that carries no gradient is computed from `held`.
template <class Loss, class Formula>
void check_answer_loss(const Loss& loss, const Formula& formula) {
  INFO(describe(loss));
  loss.validate();
  const ScoreTables tables = ScoreTables::some();
  const AnswerRatios now = ratios(tables);
  const std::vector<AnswerBatch> all = answer_batches({{0, 1, 2, 3, 4, 5, 6}});
  const LossAndGradient whole = step_on(loss, tables, all);
  const double expected = formula(now, now);
  CHECK(std::abs(whole.loss - expected) < 1e-10);
  const Tensor slopes =
      differences(tables, [&](const ScoreTables& there) { return formula(ratios(there), now); });
  CHECK(largest(whole.gradient - slopes) < 1e-6 * largest(slopes));
  for (const bool share : {true, false}) {
    check_same(step_on(loss, tables, answer_batches({{5, 0}, {3, 4, 1}, {6, 2}}, share)), whole);
  }
  CHECK(term_counts(loss, all.at(0)) == std::vector<double>{7.0});
  double good = 0.0, rewards = 0.0;
  for (std::size_t i = 0; i < now.own.size(); ++i) {
    good += now.desirable[i];
    rewards += now.desirable[i] ? loss.beta * now.own[i] : 0.0;
  }
  CHECK(std::abs(metric(whole, "rewards/chosen") - rewards / good) < 1e-12);

  ScoreTables start = tables;
  start.policy = start.reference;
  const AnswerRatios zeros = ratios(start);
  CHECK(std::abs(step_on(loss, start, all).loss - formula(zeros, zeros)) < 1e-12);
}

}  // namespace posttrain::test
