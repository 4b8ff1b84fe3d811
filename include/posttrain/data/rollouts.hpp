// SPDX-License-Identifier: Apache-2.0
// Rollouts: prompts that the policy answers itself, `group_size` times each, and what verifiers say
// of the answers (docs/reinforcement.md).
//
//   Rollouts<NumericAnswer>{.path = "gsm8k.jsonl", .group_size = 8}
//   Rollouts<RewardSum<MathAnswer, FormatTags>>{.path = …, .verifier = RewardSum{…}}
//   Rollouts<NumericAnswer, Calculator>{.path = …, .max_turns = 4}
//   Rollouts<MathAnswer, NoEnvironment, Learnable>{.path = …, .curriculum = {.floor = 0.1}}
//
// An optimizer step is `effective_batch_size` completions; a rollout has `rollout_size` of them
// (0: one step's) and is passed over `num_iterations` times. Prompts with answers come in every
// format of docs/data.md (GSM8K's files as they are). TRL: GRPOTrainer's generation, with
// num_generations, generation_batch_size and num_iterations.
//
// With an environment (data/rollouts/environment.hpp) a sample has several turns: what the policy
// writes is answered, by a tool, say, and it writes on. Answers are read and never trained.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/rollouts/curriculum.hpp"
#include "posttrain/data/rollouts/environment.hpp"
#include "posttrain/data/rollouts/prompt_loading.hpp"
#include "posttrain/data/rollouts/rollout_stream.hpp"
#include "posttrain/data/rollouts/turns.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/reward_sum.hpp"

namespace posttrain {

using data::GroupFilter;

namespace detail {

template <class V>
RewardSum<V> as_reward_sum(const V& verifier) {
  return RewardSum<V>(verifier);
}
template <class... V>
RewardSum<V...> as_reward_sum(const RewardSum<V...>& verifiers) {
  return verifiers;
}

/// The value of a part that is not given; a closure with captures has none.
template <class Part>
constexpr Part default_part() {
  if constexpr (std::is_default_constructible_v<Part>) {
    return Part{};
  } else {
    fail(
        "posttrain: expected each part of Rollouts that has no default, as a closure, to be given");
  }
}

}  // namespace detail

template <class V, class E = NoEnvironment, class C = NoCurriculum>
struct Rollouts {
  using Batch = RolloutBatch;

  LiteralString path{};  // a file or a folder of files (data/formats/reader.hpp)
  /// Anything that rewards/verifier.hpp takes, or a RewardSum of several.
  V verifier = detail::default_part<V>();
  /// What replies to a turn of the policy; NoEnvironment: nothing does.
  E environment = detail::default_part<E>();
  std::int64_t max_turns = 8;  // of the policy; one that is replied to still then is cut off
  /// What becomes of a sample whose environment failed, or whose turn the template does not keep:
  /// the run stops, or it ends there (FinishReason::error), with a reward of 0 or without one.
  OnError on_environment_error = OnError::stop;
  /// What is drawn is what is trained: lengths, temperature, ends, and what `mirror_support`
  /// allows. `max_new_tokens` bounds the ids that are drawn for a sample, in all of its turns
  /// together.
  Sampling sampling{};
  /// Allows top_k, top_p and min_p: the ids that they left of each draw are kept (batch/support.hpp
  /// has the memory), and policy, old policy, reference and teacher are scored among these alone.
  bool mirror_support = false;
  std::int64_t group_size = 8;    // samples of a prompt, compared with each other
  std::int64_t rollout_size = 0;  // completions; 0: Options::effective_batch_size
  std::int64_t num_iterations = 1;
  GroupFilter filter = GroupFilter::keep_all;
  std::int64_t max_attempts = 10;       // rounds of drawing prompts, with a filter
  VerifierPoolOptions pool{};           // threads, timeout, on_error
  GeneratorOptions generator{};         // how it is generated; changes no sample
  std::int64_t validation_samples = 1;  // of each held-out prompt
  double solved = 1.0;                  // the reward from which on a sample counts for pass@k
  LiteralString validation_path{};      // a source of its own, instead of Options::validation_split
  /// Which prompts come first (data/rollouts/curriculum.hpp).
  C curriculum = detail::default_part<C>();

  void validate() const {
    source().validate();
    sampling.validate();
    generator.validate();
    pool.validate();
    if (group_size < 1) fail("posttrain: Rollouts.group_size must be at least 1");
    if (rollout_size < 0) fail("posttrain: Rollouts.rollout_size must not be negative");
    if (num_iterations < 1) fail("posttrain: Rollouts.num_iterations must be at least 1");
    if (max_attempts < 1) fail("posttrain: Rollouts.max_attempts must be at least 1");
    if (validation_samples < 1) fail("posttrain: Rollouts.validation_samples must be at least 1");
    if (max_turns < 1) fail("posttrain: Rollouts.max_turns must be at least 1");
    if (!has_environment<E> && (max_turns != 8 || on_environment_error != OnError::stop)) {
      fail(
          "posttrain: Rollouts.max_turns and on_environment_error are for an environment, and "
          "there is none; hint: Rollouts<Verifier, Environment>");
    }
    if (has_environment<E> && generator.exact) {
      fail(
          "posttrain: Rollouts.generator.exact is for answers of one turn: a later turn is read "
          "with what stands before it");
    }
    if (sampling.temperature == 0.0) {
      fail(
          "posttrain: Rollouts.sampling.temperature must be positive: greedy samples of a group "
          "are "
          "equal, and nothing can be learned from them");
    }
    if (sampling.repetition_penalty != 1.0 || sampling.presence_penalty != 0.0 ||
        sampling.frequency_penalty != 0.0 || sampling.min_new_tokens != 0) {
      fail(
          "posttrain: Rollouts.sampling must draw from the distribution that is trained: "
          "min_new_tokens and penalties change it, with mirror_support, too");
    }
    const bool cuts = sampling.top_k != 0 || sampling.top_p != 1.0 || sampling.min_p != 0.0;
    if (cuts && !mirror_support) {
      fail(
          "posttrain: Rollouts.sampling must draw from the distribution that is trained: top_k, "
          "top_p and min_p change it; hint: mirror_support = true trains the one that they leave");
    }
    if (mirror_support && !cuts) {
      fail(
          "posttrain: Rollouts.mirror_support is for top_k, top_p and min_p of sampling, and none "
          "of them is set");
    }
    if (sampling.support) {
      fail(
          "posttrain: Rollouts.sampling.support must be false: mirror_support records what counts");
    }
    if (sampling.seed != 0) {
      fail("posttrain: Rollouts.sampling.seed must be 0: Options.seed is the seed of all draws");
    }
    detail::as_reward_sum(verifier).validate();
    if constexpr (requires { curriculum.validate(); }) curriculum.validate();
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }

  data::RolloutStream open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const {
    return open_for(context, effective_batch_size, 1);
  }

  /// `together`: samples that have to stand in one micro-batch, which conversations with an
  /// environment keep short enough for.
  data::RolloutStream open_for(const data::LoadContext& context, std::int64_t effective_batch_size,
                               std::int64_t together) const {
    check_sizes(effective_batch_size);
    return open_with(prompts(context), context, effective_batch_size, together);
  }

  /// The prompts of `path`, each with an answer that the verifiers can judge.
  data::LoadedItems<data::PromptItem> prompts(const data::LoadContext& context) const {
    const auto verifiers = detail::as_reward_sum(verifier);
    return data::load_prompts(
        source(), context, [&](std::string_view answer) { verifiers.check_answer(answer); }, {},
        /*only_conversations=*/has_environment<E>);
  }

  /// Rolls out prompts that are there already.
  data::RolloutStream open_with(data::LoadedItems<data::PromptItem> prompts,
                                const data::LoadContext& context, std::int64_t effective_batch_size,
                                std::int64_t together = 1) const {
    check_sizes(effective_batch_size);
    const auto verifiers = detail::as_reward_sum(verifier);
    data::RolloutStreamOptions options;
    options.sizes = {.prompts = std::ssize(prompts.train),
                     .groups_per_rollout = completions(effective_batch_size) / group_size,
                     .groups_per_step = effective_batch_size / group_size,
                     .num_iterations = num_iterations,
                     .max_tokens_per_batch = context.max_tokens_per_batch,
                     .ranks = context.ranks,
                     .seed = context.seed,
                     .parts = prompts.parts};
    options.group_size = group_size;
    options.sampling = sampling;
    options.mirror_support = mirror_support;
    options.generator = generator;
    options.filter = filter;
    options.max_attempts = max_attempts;
    options.validation_samples = validation_samples;
    options.solved = solved;
    if constexpr (check_curriculum<C>() && WeighsRecords<C>) options.curriculum = curriculum;
    options.turns = turns(context);
    options.turns.max_tokens /= together;
    check_room(prompts, context);
    const auto& weights = verifiers.weights();
    return {std::move(prompts),
            *context.text,
            options,
            std::make_shared<VerifierPool>(verifiers, pool),
            verifiers.names(),
            {weights.begin(), weights.end()}};
  }

 private:
  std::int64_t completions(std::int64_t effective_batch_size) const {
    return rollout_size > 0 ? rollout_size : effective_batch_size;
  }

  void check_sizes(std::int64_t effective_batch_size) const {
    if (effective_batch_size % group_size != 0) {
      raise(
          "expected Rollouts.group_size to divide Options.effective_batch_size, got {} and {}; "
          "hint: a step is made of whole groups",
          group_size, effective_batch_size);
    }
    if (completions(effective_batch_size) % effective_batch_size != 0) {
      raise(
          "expected Options.effective_batch_size to divide Rollouts.rollout_size, got {} and {}; "
          "hint: a rollout is made of whole optimizer steps",
          effective_batch_size, completions(effective_batch_size));
    }
  }

  /// Who answers the policy, and how long a conversation may get: it fits a micro-batch, and no
  /// turn is written behind more than `max_seq_len` tokens.
  data::TurnOptions turns(const data::LoadContext& context) const {
    data::TurnOptions options{.max_turns = max_turns,
                              .on_error = on_environment_error,
                              .max_tokens = context.max_tokens_per_batch,
                              .max_read = context.max_seq_len};
    if constexpr (check_environment<E>() && has_environment<E>) options.environment = environment;
    return options;
  }

  /// Every prompt with an answer of the full length fits a micro-batch; what an environment replies
  /// shortens it.
  void check_room(const data::LoadedItems<data::PromptItem>& prompts,
                  const data::LoadContext& context) const {
    for (const data::PromptItem& item : prompts.train) {
      const std::int64_t most = std::ssize(item.ids) + sampling.max_new_tokens;
      if (most > context.max_tokens_per_batch) {
        raise(
            "sample {}: a prompt of {} tokens and max_new_tokens = {} do not fit "
            "max_tokens_per_batch = {}; hint: raise it, or set max_seq_len to drop long prompts",
            item.sample, item.ids.size(), sampling.max_new_tokens, context.max_tokens_per_batch);
      }
    }
  }
};

}  // namespace posttrain
