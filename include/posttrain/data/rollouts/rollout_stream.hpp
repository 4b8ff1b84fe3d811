// SPDX-License-Identifier: Apache-2.0
// The stream of a data policy that rolls out (data/rollouts.hpp): prompts are answered by the
// policy that trains, the answers are verified while others are written, and the loss makes
// advantages of their rewards.
//
// Every sample is a function of (seed, pass, prompt, number of the sample) and of the weights:
// neither batches nor other requests, a resume or another number of threads change it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/base/statistics.hpp"
#include "posttrain/base/stopwatch.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/rollouts/answer_prompts.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"
#include "posttrain/data/rollouts/queued_stream.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/data/rollouts/score_rollout.hpp"
#include "posttrain/data/rollouts/shared_answers.hpp"
#include "posttrain/data/rollouts/turns.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// Which groups of a rollout are trained on.
enum class GroupFilter {
  keep_all,
  informative,  // those whose rewards differ; others give way to the next prompts (DAPO)
};

struct RolloutStreamOptions {
  RolloutSizes sizes{};
  std::int64_t group_size = 8;
  Sampling sampling{};
  bool mirror_support = false;  // what the draws that are trained on were among is recorded
  GeneratorOptions generator{};
  GroupFilter filter = GroupFilter::keep_all;
  std::int64_t max_attempts = 10;
  std::int64_t validation_samples = 1;
  double solved = 1.0;
  /// The weight of a record by the mean rewards of its visits; none: all are drawn alike.
  std::function<double(std::int64_t, std::span<const double>)> curriculum{};
  TurnOptions turns{};  // without an environment: one
};

class RolloutStream : public QueuedStream {
 public:
  using Batch = RolloutBatch;
  static constexpr bool kSamples = true;  // by the policy, as opposed to RolloutFileStream

  /// `text` has to live as long.
  RolloutStream(LoadedItems<PromptItem> prompts, const text::ChatTokenizer& text,
                const RolloutStreamOptions& options, std::shared_ptr<VerifierPool> pool,
                std::vector<std::string> verifiers, std::vector<double> verifier_weights)
      : QueuedStream(RolloutQueue(options.sizes, weights_of(options, prompts))),
        options_(options),
        prompts_(std::move(prompts)),
        text_(&text),
        pool_(std::move(pool)),
        verifiers_(std::move(verifiers)),
        weights_(std::move(verifier_weights)) {}

  /// An error where the loss wants what these rollouts have not.
  void check(const RolloutNeeds& needs) const {
    if (options_.group_size < needs.least_group) {
      raise(
          "expected Rollouts.group_size to be at least {}, got {}; hint: this loss compares "
          "samples "
          "of one prompt with each other",
          needs.least_group, options_.group_size);
    }
  }

  /// The micro-batches of the next optimizer step; nothing at the end of an epoch.
  template <class View>
  std::optional<std::vector<RolloutBatch>> next(const View& view) {
    const auto make = [&] {
      Rollout rollout = roll_out(view, view.needs());
      const Stopwatch watch;
      score_rollout(view, rollout, queue_.steps_of(rollout), options_.sizes.max_tokens_per_batch,
                    options_.sizes.ranks);
      work_.score_seconds = watch.seconds();
      return rollout;
    };
    if (!begin_step(make)) return std::nullopt;
    StepBatches step = next_step(view);
    split_groups_ = step.split_groups;
    return std::move(step.batches);
  }

  /// Whether an epoch has as many steps as `steps_per_epoch` says at the most: a run needs
  /// Options::max_steps then.
  bool needs_max_steps() const {
    return options_.filter != GroupFilter::keep_all || options_.curriculum;
  }

  /// Of the rollout in work, for the record of an optimizer step that took so long.
  Metrics measure(double update_seconds) {
    Metrics metrics = rolled_out(update_seconds);
    metrics.emplace_back("rollout/split_groups", static_cast<double>(split_groups_));
    return metrics;
  }

  bool has_validation() const { return !prompts_.validation.empty(); }

  /// Mean reward and pass@k of held-out prompts, by `validation_samples` samples of each; the same
  /// draws every time.
  template <class View>
  Metrics validate(const View& view) {
    RolloutWork work;
    Rollout rollout = empty_rollout(0);
    constexpr std::int64_t kValidationDraws = 0x76616c6964LL << 20;  // no pass has this number
    answer(view, prompts_.validation, all_prompts(prompts_.validation.size(), kValidationDraws),
           options_.sampling, options_.validation_samples, rollout, work);
    return pass_metrics(rollout, options_.solved);
  }

  const std::vector<PromptItem>& prompts() const { return prompts_.train; }
  const DataReport& report() const { return prompts_.report; }

  ContentHash content() const {
    ContentHash hash;
    for (const auto* store : {&prompts_.train, &prompts_.validation}) {
      hash.add(static_cast<std::uint64_t>(store->size()));
      for (const PromptItem& item : *store) add_content(hash, PromptKind{}, item);
    }
    return hash;
  }

 protected:
  /// Answers to the next prompts, judged; with one more answer of each without chance where it is
  /// needed. Ten rollouts in a row without a reward are an error where rewards are.
  template <class View>
  Rollout roll_out(const View& view, const RolloutNeeds& needs) {
    work_ = {};
    Rollout rollout = empty_rollout(queue_.rollouts());
    const std::int64_t wanted = options_.sizes.groups_per_rollout;
    while (std::ssize(rollout.groups) < wanted && queue_.prompts_left() &&
           work_.rounds < options_.max_attempts) {
      const std::vector<DrawnPrompt> drawn = queue_.draw(wanted - std::ssize(rollout.groups));
      work_.rounds += 1;
      work_.prompts += std::ssize(drawn);
      Rollout round = empty_rollout(rollout.number);
      Sampling sampling = options_.sampling;
      sampling.support = options_.mirror_support;
      answer(view, prompts_.train, drawn, sampling, options_.group_size, round, work_);
      if (needs.greedy) add_greedy_rewards(view, drawn, round);
      for (std::size_t g = 0; g < drawn.size(); ++g) {
        if (const auto mean = mean_reward(round.groups[g])) queue_.visited(drawn[g].prompt, *mean);
      }
      for (RolloutGroup& group : round.groups) {
        if (options_.filter == GroupFilter::informative && all_equal(group.rewards())) {
          continue;
        }
        rollout.groups.push_back(std::move(group));
      }
      if (options_.filter == GroupFilter::keep_all) break;
    }
    if (needs.rewards) {
      check_useful(scored(rollout), options_.filter == GroupFilter::informative
                                        ? "no group had rewards that differ"
                                        : kWithoutRewards);
    }
    return rollout;
  }

  /// The metrics of the rollout in work, whatever is trained of it.
  Metrics rolled_out(double update_seconds) {
    work_.update_seconds += update_seconds;
    Metrics metrics = rollout_metrics(queue_.rollout(), work_);
    if (options_.turns.environment) {
      for (auto& metric : turn_metrics(queue_.rollout(), work_)) metrics.push_back(metric);
    }
    return metrics;
  }

  static constexpr std::string_view kWithoutRewards = "no sample had a reward";

  /// Whether any sample has a reward.
  static bool scored(const Rollout& rollout) {
    for (const RolloutGroup& group : rollout.groups) {
      for (const RolloutSample& sample : group.samples) {
        if (sample.reward) return true;
      }
    }
    return false;
  }

  /// Counts rollouts in a row that nothing can be learned from; the tenth is an error that says
  /// `why`.
  void check_useful(bool useful, std::string_view why) {
    constexpr int kMostUseless = 10;
    useless_ = useful ? 0 : useless_ + 1;
    if (useless_ < kMostUseless) return;
    raise(
        "{} rollouts in a row had nothing to learn from: {}; hint: is the task too hard or too "
        "easy for the model, and does the verifier apply to its answers?",
        kMostUseless, why);
  }

  RolloutStreamOptions options_;
  RolloutWork work_{};  // of the rollout in work

 private:
  static PromptWeights weights_of(const RolloutStreamOptions& options,
                                  const LoadedItems<PromptItem>& prompts) {
    PromptWeights weights{options.curriculum, {}};
    for (const PromptItem& item : prompts.train) weights.records.push_back(item.sample);
    return weights;
  }

  Rollout empty_rollout(std::int64_t number) const {
    Rollout rollout;
    rollout.number = number;
    rollout.temperature = options_.sampling.temperature;
    rollout.verifiers = verifiers_;
    rollout.verifier_weights = weights_;
    return rollout;
  }

  /// What one more answer of each prompt is worth that is written without chance.
  template <class View>
  void add_greedy_rewards(const View& view, const std::vector<DrawnPrompt>& drawn,
                          Rollout& rollout) {
    Sampling greedy = options_.sampling;
    greedy.temperature = 0.0;
    Rollout answers = empty_rollout(rollout.number);
    answer(view, prompts_.train, drawn, greedy, 1, answers, work_);
    for (std::size_t g = 0; g < drawn.size(); ++g) {
      rollout.groups[g].greedy_reward = answers.groups[g].samples[0].reward;
    }
  }

  /// Adds a group of `samples` answers to `rollout` for each of `chosen`, by all ranks together.
  template <class View>
  void answer(const View& view, const std::vector<PromptItem>& items,
              const std::vector<DrawnPrompt>& chosen, const Sampling& sampling,
              std::int64_t samples, Rollout& rollout, RolloutWork& work) {
    AnswerPlan plan{.items = &items,
                    .chosen = chosen,
                    .samples = samples,
                    .sampling = sampling,
                    .generator = options_.generator,
                    .turns = options_.turns.environment ? &options_.turns : nullptr};
    plan.sampling.seed = options_.sizes.seed;
    if constexpr (!KeepsKeys<std::remove_cvref_t<decltype(view.model())>>) {
      // Whole sequences are read for each token: a pass is no longer than one that trains.
      plan.generator.prompt_chunk =
          std::min(plan.generator.prompt_chunk, options_.sizes.max_tokens_per_batch);
    }
    const auto answer_them = [&](Rollout& into, RolloutWork& done) {
      answer_prompts(view.model(), view.gate(), *text_, plan, *pool_, into, done);
    };
    Communicator* const ranks = options_.sizes.ranks;
    if (size_of(ranks) == 1) return answer_them(rollout, work);
    const std::vector<DrawnPrompt> own = own_part(chosen, *ranks);
    plan.chosen = own;
    Rollout part = empty_rollout(rollout.number);
    RolloutWork done;
    if (!own.empty()) answer_them(part, done);
    add_answers_of_all(*ranks, chosen.size(), part, done, rollout, work);
  }

  LoadedItems<PromptItem> prompts_;
  const text::ChatTokenizer* text_;
  std::shared_ptr<VerifierPool> pool_;
  std::vector<std::string> verifiers_;
  std::vector<double> weights_;
  std::int64_t split_groups_ = 0;
  int useless_ = 0;  // rollouts in a row
};

}  // namespace posttrain::data
