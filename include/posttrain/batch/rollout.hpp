// SPDX-License-Identifier: Apache-2.0
// A rollout: what a policy wrote to some prompts, and what is known of it. No tensors.
//
// Verifiers, advantages, files, checkpoints and callbacks share it; what is trained on is packed
// from it (batch/rollouts.hpp). Ids are kept as they were sampled and never tokenized again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/base/finish_reason.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/support.hpp"

namespace posttrain {

/// One completion of a prompt. The vectors of numbers have one entry for each of `ids` (those of
/// ids that were not sampled mean nothing), or none where nothing is known.
struct RolloutSample {
  TokenIds ids;  // behind the prompt, the one that ended it included
  /// Which ids the policy drew: those are trained on. The others (what a tool said) are only read.
  std::vector<std::uint8_t> sampled;
  std::vector<float> sampled_logps;  // log p under the distribution that an id was drawn from
  std::vector<float> old_logps;      // log p by training's kernels, before the first update
  std::vector<float> ref_logps;      // log p of the reference
  std::vector<float> teacher_logps;  // log p of a teacher
  std::vector<float> log_sum_sq;     // log Σ p² of the distribution over the vocabulary
  std::vector<float> values;         // a critic's, of what stands before the id
  /// Among which ids each was drawn, where sampling cut others off and training mirrors that.
  Support support;
  FinishReason finish = FinishReason::stop_id;
  std::string text;  // without special tokens; of several turns, the last one's
  std::vector<std::optional<double>> scores;  // of each verifier; none: it does not apply
  std::optional<double> reward;               // their weighted sum; none: nothing applies
  std::string parsed, reason;                 // for people: what was judged, and why so

  bool operator==(const RolloutSample&) const = default;

  /// The number of sampled ids.
  std::int64_t trained_tokens() const {
    std::int64_t count = 0;
    for (const std::uint8_t drawn : sampled) count += drawn;
    return count;
  }
  /// Cut off before its end: no last id has a meaning here.
  bool truncated() const { return finish == FinishReason::length; }
};

/// All samples of one prompt.
struct RolloutGroup {
  TokenIds prompt;                      // at least one id
  std::int64_t sample = -1;             // the prompt's index in the data source
  std::vector<RolloutSample> samples;   // of one prompt, compared with each other
  std::optional<double> greedy_reward;  // of one more answer, without chance (ReMax)

  bool operator==(const RolloutGroup&) const = default;

  /// Those that samples have, in their order.
  std::vector<double> rewards() const {
    std::vector<double> all;
    for (const RolloutSample& each : samples) {
      if (each.reward) all.push_back(*each.reward);
    }
    return all;
  }
};

struct Rollout {
  std::int64_t number = 0;             // 0-based, since the run's beginning
  double temperature = 1.0;            // of the distribution that is trained on
  std::vector<std::string> verifiers;  // names, in the order of `scores`
  std::vector<double> verifier_weights;
  std::vector<RolloutGroup> groups;

  bool operator==(const Rollout&) const = default;

  std::int64_t samples() const {
    std::int64_t count = 0;
    for (const RolloutGroup& group : groups)
      count += static_cast<std::int64_t>(group.samples.size());
    return count;
  }
};

/// What a loss made of one sample's rewards. The vectors have one entry for each id.
struct SampleAdvantage {
  bool trained = true;            // false: the sample is left out, of the loss's divisor, too
  std::vector<float> advantage;   // 0 where nothing is to be learned
  std::vector<float> returns;     // targets of a critic; empty: the loss has none
  std::vector<float> importance;  // weights of ids that another engine drew; empty: 1

  bool operator==(const SampleAdvantage&) const = default;
};

/// [group][sample]
using Advantages = std::vector<std::vector<SampleAdvantage>>;

/// By what the sum over trained tokens of an optimizer step is divided.
enum class Normalizer {
  tokens,        // Σ_t / tokens of the step: every token counts the same (DAPO)
  sequences,     // mean over samples of their mean over tokens (GRPO as published)
  constant,      // Σ_t / (samples × max_length) (Dr. GRPO)
  prompts,       // mean over prompts of the mean over all of their samples' tokens
  sequence_sums  // mean over samples of their sum over tokens (LUSPO)
};

/// What a loss wants of a rollout beside rewards, and how its tokens are counted.
struct RolloutNeeds {
  bool rewards = true;           // false: a rollout without any is one to learn from
  std::int64_t least_group = 1;  // samples of a prompt: 2 where they are compared with each other
  Normalizer normalizer = Normalizer::tokens;
  std::int64_t max_length = 0;  // of Normalizer::constant, in tokens
  bool ratio = true;       // compares with the old policy: scored where there is an update before
  bool old_logps = false;  // for the advantages, so before any update
  bool log_sum_sq = false;
  bool values = false;
  bool teacher_logps = false;
  bool greedy = false;  // one more sample of each prompt, at temperature 0
};

}  // namespace posttrain
