// SPDX-License-Identifier: Apache-2.0
// How many held-out prompts a model answers to a verifier's satisfaction.
//
//   const SolvedShare solved = solved_share(model, trainer.state(), "heldout.jsonl",
//   NumericAnswer{}); fmt::print("{} of {} ({:.1f} %)\n", solved.solved, solved.asked, 100.0 *
//   solved.share());
//
// Files of prompts are those of Rollouts (data/rollouts.hpp). Answers are greedy unless another
// `Sampling` is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/data/rollouts/answer_prompts.hpp"
#include "posttrain/data/rollouts/prompt_loading.hpp"
#include "posttrain/data/rollouts/prompt_order.hpp"
#include "posttrain/generate/chat.hpp"

namespace posttrain {

struct SolvedShare {
  std::int64_t solved = 0, asked = 0;
  double reward = 0.0;  // mean of the answers that have one

  /// In [0, 1]; 0 where nothing was asked.
  double share() const {
    return asked > 0 ? static_cast<double>(solved) / static_cast<double>(asked) : 0.0;
  }
};

/// An answer with a reward of at least `solved_from` is solved. With an environment it has several
/// turns, as in Rollouts.
template <BringsText Model, class Gate, class V, class E = NoEnvironment>
SolvedShare solved_share(const Model& model, const Gate& gate, const std::string& path,
                         const V& verifier,
                         const Sampling& sampling = {.max_new_tokens = 64, .temperature = 0.0},
                         double solved_from = 1.0, const E& environment = {},
                         std::int64_t max_turns = 8) {
  const auto verifiers = detail::as_reward_sum(verifier);
  data::LoadContext context;
  context.text = &tokenizer_of(model);
  const auto prompts = data::load_prompts(
      {path, {}}, context, [&](std::string_view answer) { verifiers.check_answer(answer); }, {},
      /*only_conversations=*/has_environment<E>);
  data::TurnOptions turns{.max_turns = max_turns};
  if constexpr (check_environment<E>() && has_environment<E>) turns.environment = environment;
  const auto all = data::all_prompts(prompts.train.size());
  VerifierPool pool(verifiers);
  Rollout rollout;
  data::RolloutWork work;
  data::answer_prompts(model, gate, *context.text,
                       {.items = &prompts.train,
                        .chosen = all,
                        .sampling = sampling,
                        .turns = turns.environment ? &turns : nullptr},
                       pool, rollout, work);
  SolvedShare result;
  std::int64_t judged = 0;
  for (const RolloutGroup& group : rollout.groups) {
    const RolloutSample& sample = group.samples[0];
    result.asked += 1;
    if (!sample.reward) continue;
    judged += 1;
    result.reward += *sample.reward;
    result.solved += *sample.reward >= solved_from;
  }
  if (judged > 0) result.reward /= static_cast<double>(judged);
  return result;
}

}  // namespace posttrain
