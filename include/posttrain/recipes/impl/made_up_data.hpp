// SPDX-License-Identifier: Apache-2.0
// Data of made-up ids for recipes/measure.hpp: one optimizer step that is one micro-batch.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/batch/answers.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/rollout_file.hpp"
#include "posttrain/recipes/impl/worst_case.hpp"

namespace posttrain::detail {

/// Ids that differ from place to place and from sample to sample.
inline TokenIds made_up_ids(std::int64_t count, std::int64_t sample, std::int64_t vocab_size) {
  TokenIds ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<TokenId>((31 * sample + 7 * i + 1) % vocab_size));
  }
  return ids;
}

inline Sequence made_up_answer(std::int64_t count, std::int64_t sample, std::int64_t vocab_size) {
  return {made_up_ids(count, sample, vocab_size),
          std::vector<float>(static_cast<std::size_t>(count), 1.0F), sample};
}

/// Ids have to be below the size of any vocabulary.
inline constexpr std::int64_t kMadeUpVocabulary = 64;

/// The longest items that there may be; the last one is filled up to the size of the micro-batch.
struct MadeUpSequences {
  WorstCase sizes{};

  data::LoadedData load(const data::LoadContext&) const {
    data::LoadedData loaded;
    for (std::int64_t i = 0; i < sizes.items; ++i) {
      loaded.train.push_back(made_up_answer(sizes.tree(), i, kMadeUpVocabulary));
    }
    return loaded;
  }
};

struct MadeUpAnswers {
  WorstCase sizes{};

  static AnswerKind kind() { return {}; }
  data::LoadedItems<Answer> load(const data::LoadContext&) const {
    data::LoadedItems<Answer> loaded;
    for (std::int64_t i = 0; i < sizes.items; ++i) {
      loaded.train.push_back({made_up_ids(sizes.prompt, i, kMadeUpVocabulary),
                              made_up_answer(sizes.answer, i, kMadeUpVocabulary), i % 2 == 0, i});
    }
    return loaded;
  }
};

struct MadeUpPairs {
  WorstCase sizes{};

  static PairKind kind() { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext&) const {
    data::LoadedItems<AnswerPair> loaded;
    for (std::int64_t i = 0; i < sizes.items; ++i) {
      loaded.train.push_back({made_up_ids(sizes.prompt, i, kMadeUpVocabulary),
                              made_up_answer(sizes.answer, 2 * i, kMadeUpVocabulary),
                              made_up_answer(sizes.answer, 2 * i + 1, kMadeUpVocabulary), 0.0F, i});
    }
    return loaded;
  }
};

struct MadeUpRewardPairs {
  WorstCase sizes{};

  static RewardKind kind() { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext& context) const {
    return MadeUpPairs{sizes}.load(context);
  }
};

/// Groups as if they had been sampled, with rewards that differ.
struct MadeUpRollouts {
  using Batch = RolloutBatch;

  WorstCase sizes{};

  data::RolloutFileStream open(const data::LoadContext& context,
                               std::int64_t effective_batch_size) const {
    data::RecordedGroups recorded;
    recorded.group_size = sizes.answers;
    recorded.drawn_logps = false;
    for (std::int64_t i = 0; i < sizes.items; ++i) {
      RolloutGroup& group = recorded.groups.emplace_back();
      group.prompt = made_up_ids(sizes.prompt, i, kMadeUpVocabulary);
      group.sample = i;
      for (std::int64_t j = 0; j < sizes.answers; ++j) {
        RolloutSample& sample = group.samples.emplace_back();
        sample.ids = made_up_ids(sizes.answer, i + j + 1, kMadeUpVocabulary);
        sample.sampled.assign(sample.ids.size(), 1);
        sample.reward = static_cast<double>(j % 2);
      }
    }
    const std::int64_t groups = effective_batch_size / sizes.answers;
    return {std::move(recorded),
            {.prompts = sizes.items,
             .groups_per_rollout = groups,
             .groups_per_step = groups,
             .max_tokens_per_batch = context.max_tokens_per_batch,
             .seed = context.seed},
            1.0};
  }
};

}  // namespace posttrain::detail
