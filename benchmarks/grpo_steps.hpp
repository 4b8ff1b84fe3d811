// SPDX-License-Identifier: Apache-2.0
// GRPO on one prompt's group, a step at a time: an update on given samples, or samples first. The
// reward of a sample is its share of even ids.
//
// Not shared, nothing is read once for several samples: each has a prompt of its own (when
// sampling, one that differs in its first id).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/data/rollout_file.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain::benchmarks {

/// The steps come from a driver; a Trainer wants a data policy all the same.
struct DrivenRollouts {
  using Batch = RolloutBatch;

  data::RolloutFileStream open(const data::LoadContext&, std::int64_t) const {
    data::RecordedGroups none;
    none.groups.emplace_back();
    none.group_size = 2;
    return {none, {.prompts = 1}, 1.0};
  }
};

inline RolloutSample judged(TokenIds ids) {
  RolloutSample sample;
  sample.sampled.assign(ids.size(), 1);
  double even = 0.0;
  for (const TokenId id : ids) even += id % 2 == 0 ? 1.0 : 0.0;
  sample.reward = even / static_cast<double>(ids.size());
  sample.ids = std::move(ids);
  return sample;
}

template <class Model, class Params>
class GrpoSteps {
 public:
  struct Done {
    double seconds = 0.0, generate_seconds = 0.0;
    StepMetrics metrics{};
  };

  GrpoSteps(Model model, const Params& params, const Options& options)
      : trainer_(std::move(model), Grpo{}, params, DrivenRollouts{}, AdamW{}, options) {}

  const Model& model() const { return trainer_.model(); }

  Done update(RolloutGroup group, bool shared) {
    const Stopwatch all;
    return updated(std::move(group), shared, all);
  }

  Done step(TokenIds prompt, std::int64_t samples, std::int64_t new_tokens, bool shared) {
    const Stopwatch all;
    RolloutGroup group;
    group.prompt = std::move(prompt);
    sample(group, samples, new_tokens, shared);
    return updated(std::move(group), shared, all);
  }

 private:
  Done updated(RolloutGroup group, bool shared, const Stopwatch& all) {
    Done done;
    done.generate_seconds = all.seconds();
    Rollout rollout;
    rollout.groups.push_back(std::move(group));
    done.metrics = trainer_.step({batch_of(rollout, shared)});
    done.seconds = all.seconds();
    return done;
  }

  void sample(RolloutGroup& group, std::int64_t samples, std::int64_t new_tokens, bool shared) {
    Generator generator(trainer_.model(), trainer_.state(), {}, {.max_live = samples});
    const Sampling sampling{.max_new_tokens = new_tokens, .temperature = 1.0};
    std::vector<Request> requests;
    const std::int64_t count = shared ? 1 : samples;
    for (std::int64_t i = 0; i < count; ++i) {
      Request request{.prompt = group.prompt, .sampling = sampling, .samples = samples / count};
      request.epoch = static_cast<std::uint64_t>(trainer_.steps());
      request.prompt_index = static_cast<std::uint64_t>(i);
      if (!shared) request.prompt[0] = static_cast<TokenId>(i);
      requests.push_back(std::move(request));
    }
    for (auto& of_request : generator.run(std::move(requests))) {
      for (Completion& completion : of_request) {
        group.samples.push_back(judged(std::move(completion.ids)));
      }
    }
  }

  RolloutBatch batch_of(const Rollout& rollout, bool shared) const {
    const Grpo loss;
    const Advantages advantages = loss.advantages(rollout);
    const RolloutGroup& group = rollout.groups[0];
    std::vector<const RolloutGroup*> groups{&group};
    std::vector<const std::vector<SampleAdvantage>*> of_groups{&advantages[0]};
    std::vector<RolloutItem> items = rollout_items(groups, of_groups, loss.rollout_needs());
    std::vector<RolloutGroup> apart(items.size(), {group.prompt, group.sample, {}, {}});
    for (std::size_t i = 0; i < items.size() && !shared; ++i) items[i].group = &apart[i];
    return pack_rollout(items, rollout.temperature);
  }

  Trainer<Model, Grpo, Params, DrivenRollouts, AdamW> trainer_;
};

}  // namespace posttrain::benchmarks
