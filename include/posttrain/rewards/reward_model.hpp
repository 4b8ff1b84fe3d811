// SPDX-License-Identifier: Apache-2.0
// A trained reward model as a judge: rewards of answers, without gradients.
//
//   reward_scores(model, gate, answers)            → one number for each answer of each prompt
//   step_reward_scores(model, gate, solutions)     → one number for each step of each solution
//
// A prompt is read once for all its answers. The reward is read at an answer's last token, by
// length, so an answer must end as those in training did (with its terminator).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/batch/steps.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/batch.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::models {

/// A prompt with answers to it; all of at least one token.
struct PromptAnswers {
  TokenIds prompt;
  std::vector<TokenIds> answers;
};

namespace detail {

/// The rewards of one batch, in the order of its predictions.
template <class Model, class Gate>
void append_rewards(const Model& model, const Gate& gate, const TokenBatch& own_batch,
                    std::vector<double>& rewards) {
  const TokenBatch batch = prepared(gate, own_batch).to(model.device());
  const auto head = [&](const Tensor& rows) { return model.logits(gate, rows); };
  const Tensor scores = score_predictions(head, model.hidden(gate, batch), batch,
                                          {.mean_logit = true}, head_chunk_rows(1))
                            .mean_logit.to(at::TensorOptions(at::kCPU).dtype(at::kDouble));
  const double* values = scores.template const_data_ptr<double>();
  rewards.insert(rewards.end(), values, values + scores.numel());
}

/// Numbers by groups of these sizes, one behind another.
inline std::vector<std::vector<double>> grouped(const std::vector<double>& all,
                                                std::span<const std::size_t> sizes) {
  std::vector<std::vector<double>> groups;
  auto next = all.begin();
  for (const std::size_t size : sizes) {
    const auto end = next + static_cast<std::ptrdiff_t>(size);
    groups.emplace_back(next, end);
    next = end;
  }
  return groups;
}

}  // namespace detail

/// The rewards of all answers, prompt by prompt. About `max_tokens` are read at a time.
template <class Model, class Gate>
std::vector<std::vector<double>> reward_scores(const Model& model, const Gate& gate,
                                               std::span<const PromptAnswers> all,
                                               std::int64_t max_tokens = 16384) {
  static_assert(predicts_rewards<Model>(),
                "posttrain: reward_scores needs a model that gives rewards "
                "[docs/models.md#reward-models]");
  at::NoGradGuard no_grad;
  std::vector<double> rewards;
  BatchBuilder builder;
  std::int64_t tokens = 0;
  const auto read = [&] {
    if (tokens == 0) return;
    detail::append_rewards(model, gate, std::exchange(builder, {}).build(), rewards);
    tokens = 0;
  };
  for (const PromptAnswers& each : all) {
    int prompt = -1;
    for (const TokenIds& answer : each.answers) {
      const auto size = [](const TokenIds& ids) { return static_cast<std::int64_t>(ids.size()); };
      if (tokens > 0 && tokens + size(answer) + (prompt < 0 ? size(each.prompt) : 0) > max_tokens) {
        read();
        prompt = -1;
      }
      if (prompt < 0) {
        prompt = builder.add(each.prompt);
        tokens += size(each.prompt);
      }
      builder.add(answer, prompt);
      builder.reward(size(answer) - 1);
      builder.end_sequence();
      tokens += size(answer);
    }
  }
  read();
  std::vector<std::size_t> sizes;
  for (const PromptAnswers& each : all) sizes.push_back(each.answers.size());
  return detail::grouped(rewards, sizes);
}

/// The rewards of every step of all solutions, solution by solution; their labels are not read.
template <class Model, class Gate>
std::vector<std::vector<double>> step_reward_scores(const Model& model, const Gate& gate,
                                                    std::span<const SteppedSolution> all,
                                                    std::int64_t max_tokens = 16384) {
  static_assert(predicts_rewards<Model>(),
                "posttrain: step_reward_scores needs a model that gives rewards "
                "[docs/models.md#reward-models]");
  at::NoGradGuard no_grad;
  std::vector<double> rewards;
  std::vector<std::size_t> sizes;
  std::vector<SteppedSolution> waiting;
  std::int64_t tokens = 0;
  const auto read = [&] {
    if (waiting.empty()) return;
    std::vector<const SteppedSolution*> pointers;
    for (const SteppedSolution& solution : waiting) pointers.push_back(&solution);
    detail::append_rewards(model, gate, pack_steps(pointers), rewards);
    waiting.clear();
    tokens = 0;
  };
  for (const SteppedSolution& solution : all) {
    if (tokens + StepKind::tokens(solution) > max_tokens) read();
    waiting.push_back(solution);
    waiting.back().labels.assign(solution.steps.size(), 0.0F);
    tokens += StepKind::tokens(solution);
    sizes.push_back(solution.steps.size());
  }
  read();
  return detail::grouped(rewards, sizes);
}

}  // namespace posttrain::models
