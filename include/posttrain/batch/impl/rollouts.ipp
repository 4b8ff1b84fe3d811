// SPDX-License-Identifier: Apache-2.0
// Definitions of rollouts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

/// The tensors of a batch with one entry for each prediction, those of TokenBatch apart.
inline std::array<Tensor RolloutBatch::*, 9> per_prediction() {
  return {&RolloutBatch::advantage,  &RolloutBatch::old_logps, &RolloutBatch::sampled_logps,
          &RolloutBatch::importance, &RolloutBatch::returns,   &RolloutBatch::old_values,
          &RolloutBatch::length,     &RolloutBatch::draw,      &RolloutBatch::step_sample};
}

/// Numbers of all predictions, from vectors with one entry for each id of a sample; undefined where
/// a sample has none.
template <class Values>
Tensor of_predictions(std::span<const RolloutItem> items, const Values& values) {
  std::vector<float> all;
  for (const RolloutItem& item : items) {
    const std::vector<float>& of_ids = values(item);
    if (of_ids.empty()) return {};
    if (of_ids.size() != item.sample->ids.size()) {
      raise("prompt {}: expected {} numbers, one for each id of a sample, got {}",
            item.group->sample, item.sample->ids.size(), of_ids.size());
    }
    for (std::size_t i = 0; i < of_ids.size(); ++i) {
      if (item.sample->sampled[i] != 0) all.push_back(of_ids[i]);
    }
  }
  return at::tensor(all, at::kFloat);
}

/// Among which ids the predictions were drawn; undefined where all were among the whole vocabulary.
inline KeptColumns support_of(std::span<const RolloutItem> items) {
  std::vector<std::int64_t> column, prediction, ends;
  for (const RolloutItem& item : items) {
    const Support& support = item.sample->support;
    const std::size_t places = item.sample->ids.size();
    if (!support.sizes.empty() && support.sizes.size() != places) {
      raise("prompt {}: expected a support for each of {} ids of a sample, got {}",
            item.group->sample, places, support.sizes.size());
    }
    auto next = support.ids.begin();
    for (std::size_t i = 0; i < places; ++i) {
      const std::int64_t size = support.sizes.empty() ? 0 : support.sizes[i];
      if (size < 0 || size > support.ids.end() - next) {
        raise("prompt {}: expected the ids of a sample's support, got fewer", item.group->sample);
      }
      if (item.sample->sampled[i] != 0) {
        column.insert(column.end(), next, next + size);
        prediction.resize(column.size(), std::ssize(ends));
        ends.push_back(std::ssize(column));
      }
      next += size;
    }
  }
  if (column.empty()) return {};
  return {at::tensor(column, at::kLong), at::tensor(prediction, at::kLong), std::move(ends)};
}

/// A stream of random numbers for each sample: of its prompt's index and of its ids, so that it is
/// the sample's wherever it is packed, and another one in the next rollout.
inline std::uint64_t sample_stream(const RolloutItem& item) {
  auto stream = static_cast<std::uint64_t>(item.group->sample);
  for (const TokenId id : item.sample->ids) {
    stream = mix_streams(stream, static_cast<std::uint64_t>(id));
  }
  return stream;
}

}  // namespace detail

POSTTRAIN_INLINE RolloutBatch RolloutBatch::slice(std::int64_t begin, std::int64_t end) const {
  RolloutBatch part = *this;
  static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
  for (const auto field : detail::per_prediction()) {
    if (Tensor& values = part.*field; values.defined()) {
      values = values.narrow(0, begin, end - begin);
    }
  }
  part.support = support.slice(begin, end);
  return part;
}

POSTTRAIN_INLINE RolloutBatch RolloutBatch::to(at::Device device) const {
  RolloutBatch moved = *this;
  std::vector<Tensor*> tensors = moving_tensors(moved, device);
  for (const auto field : detail::per_prediction()) tensors.push_back(&(moved.*field));
  tensors.insert(tensors.end(), {&moved.reward, &moved.support.column, &moved.support.prediction});
  upload_together(tensors, device);
  return moved;
}

POSTTRAIN_INLINE std::vector<RolloutItem> rollout_items(
    std::span<const RolloutGroup* const> groups,
    std::span<const std::vector<SampleAdvantage>* const> advantages, const RolloutNeeds& needs) {
  std::vector<RolloutItem> items;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::size_t first = items.size();
    double of_prompt = 0.0;
    for (std::size_t s = 0; s < groups[g]->samples.size(); ++s) {
      const RolloutSample& sample = groups[g]->samples[s];
      const SampleAdvantage& advantage = advantages[g]->at(s);
      const auto tokens = static_cast<double>(sample.trained_tokens());
      if (!advantage.trained || tokens == 0.0) continue;
      of_prompt += tokens;
      RolloutItem item{groups[g], &sample, &advantage};
      switch (needs.normalizer) {
        case Normalizer::tokens:
        case Normalizer::prompts:
          item.counted = tokens;
          break;
        case Normalizer::sequences:
          item.weight = static_cast<float>(1.0 / tokens);
          item.counted = 1.0;
          break;
        case Normalizer::constant:
          item.counted = static_cast<double>(needs.max_length);
          break;
        case Normalizer::sequence_sums:
          item.counted = 1.0;
          break;
      }
      items.push_back(item);
    }
    if (needs.normalizer == Normalizer::prompts) {
      for (std::size_t i = first; i < items.size(); ++i) {
        items[i].weight = static_cast<float>(1.0 / of_prompt);
        items[i].counted /= of_prompt;
      }
    }
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].index = static_cast<std::int64_t>(i);
    items[i].samples = std::ssize(items);
  }
  return items;
}

POSTTRAIN_INLINE RolloutBatch pack_rollout(std::span<const RolloutItem> items, double temperature) {
  BatchBuilder builder;
  RolloutBatch batch;
  std::vector<float> rewards, lengths, draws;
  std::vector<std::int64_t> indices;
  const RolloutGroup* group = nullptr;
  int prompt = -1;
  for (const RolloutItem& item : items) {
    const RolloutSample& sample = *item.sample;
    if (item.group->prompt.empty()) {
      raise("prompt {}: expected at least one token, got none", item.group->sample);
    }
    if (sample.sampled.size() != sample.ids.size()) {
      raise("prompt {}: expected {} marks of sampled ids, one for each id, got {}",
            item.group->sample, sample.ids.size(), sample.sampled.size());
    }
    if (item.group != group) {
      group = item.group;
      prompt = builder.add(group->prompt, -1, group->sample);
    }
    builder.add(sample.ids, prompt, group->sample);
    std::vector<float> weights(sample.ids.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      weights[i] = sample.sampled[i] != 0 ? item.weight : 0.0F;
    }
    builder.score(weights);
    builder.end_sequence(group->sample);
    batch.counted += item.counted;
    rewards.push_back(sample.reward ? static_cast<float>(*sample.reward)
                                    : std::numeric_limits<float>::quiet_NaN());
    const std::int64_t trained = sample.trained_tokens();
    lengths.insert(lengths.end(), static_cast<std::size_t>(trained), static_cast<float>(trained));
    indices.insert(indices.end(), static_cast<std::size_t>(trained), item.index);
    batch.step_samples = item.samples;
    Philox4x32 generator(0, detail::sample_stream(item));
    for (std::int64_t t = 0; t < trained; ++t) {
      draws.push_back(static_cast<float>(generator.next_u32() >> 8) * 0x1p-24F);
    }
    batch.group.push_back(batch.group.empty() ? 0 : batch.group.back());
    if (batch.group.size() > 1 && items[batch.group.size() - 2].group != group) {
      ++batch.group.back();
    }
  }
  static_cast<TokenBatch&>(batch) = std::move(builder).build();
  batch.temperature = temperature;
  batch.reward = at::tensor(rewards, at::kFloat);
  batch.length = at::tensor(lengths, at::kFloat);
  batch.draw = at::tensor(draws, at::kFloat);
  batch.step_sample = at::tensor(indices, at::kLong);
  const auto numbers = [&](auto values) { return detail::of_predictions(items, values); };
  const auto of_sample = [&](std::vector<float> RolloutSample::*field) {
    return numbers([field](const RolloutItem& item) -> const std::vector<float>& {
      return item.sample->*field;
    });
  };
  const auto of_advantage = [&](std::vector<float> SampleAdvantage::*field) {
    return numbers([field](const RolloutItem& item) -> const std::vector<float>& {
      static const std::vector<float> kNone;
      return item.advantage == nullptr ? kNone : item.advantage->*field;
    });
  };
  batch.advantage = of_advantage(&SampleAdvantage::advantage);
  if (!batch.advantage.defined() && !items.empty() && items.front().advantage != nullptr) {
    fail("expected an advantage for each id of a sample, got none");
  }
  batch.returns = of_advantage(&SampleAdvantage::returns);
  batch.importance = of_advantage(&SampleAdvantage::importance);
  batch.old_logps = of_sample(&RolloutSample::old_logps);
  batch.sampled_logps = of_sample(&RolloutSample::sampled_logps);
  batch.ref_logps = of_sample(&RolloutSample::ref_logps);
  batch.old_values = of_sample(&RolloutSample::values);
  batch.support = detail::support_of(items);
  return batch;
}

}  // namespace posttrain
