// SPDX-License-Identifier: Apache-2.0
// In which order an epoch's prompts are drawn: each once, in an order of (seed, epoch), or by the
// shares of several sources (data/pipeline/epoch_order.hpp); or by the weights of a curriculum
// (data/rollouts/curriculum.hpp).
//
// By weights is keyed sampling without replacement: of the prompts that are left those with the
// greatest log(u) / weight come next, u being uniform and of (seed, epoch, record) (Efraimidis and
// Spirakis, 2006). So the draw does not depend on how many prompts are drawn at once, and equal
// weights give a shuffle by u. A prompt of weight 0 is not drawn while it has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/data/pipeline/epoch_order.hpp"

namespace posttrain::data {

/// A curriculum over prompts.
struct PromptWeights {
  /// Of a record, by the mean rewards of the visits to it; none: all are drawn alike.
  std::function<double(std::int64_t record, std::span<const double> rewards)> of{};
  std::vector<std::int64_t> records{};  // the prompts' indices in the data source
};

/// `pass` keys the chance in a prompt's answers, which are others when it comes again.
struct DrawnPrompt {
  std::size_t prompt = 0;
  std::int64_t pass = 0;  // the epoch; of several sources, how often its own was gone through
  friend constexpr bool operator==(const DrawnPrompt&, const DrawnPrompt&) = default;
};

/// Each of `count` prompts once, in their order.
inline std::vector<DrawnPrompt> all_prompts(std::size_t count, std::int64_t pass = 0) {
  std::vector<DrawnPrompt> all;
  for (std::size_t prompt = 0; prompt < count; ++prompt) all.push_back({prompt, pass});
  return all;
}

class PromptOrder {
 public:
  /// Begins epoch 0. `parts`: of several sources with shares; with weights
  /// they are an error.
  PromptOrder(std::int64_t prompts, std::uint64_t seed, PromptWeights weights = {},
              const std::vector<MixturePart>& parts = {});

  /// Throws where every prompt has the weight 0: there would be no step ever after.
  void begin(std::int64_t epoch);
  /// The next `count` prompts, fewer at the epoch's end. Throws for a weight that is none.
  std::vector<DrawnPrompt> draw(std::int64_t count);
  /// Whether the epoch has another prompt to draw.
  bool any_left() const;
  /// The mean reward of the answers to a prompt that was drawn, for its later weights.
  void visited(std::size_t prompt, double mean_reward);

  const PromptWeights& weights() const { return weights_; }

  /// What the place in an epoch is made of, as keys of a checkpoint's object, and back.
  void write(Json& head) const;
  void read(const Json& head, std::int64_t epoch, std::string_view where);

 private:
  double weight(std::size_t prompt) const;
  std::vector<DrawnPrompt> heaviest(std::int64_t count) const;

  std::uint64_t seed_;
  PromptWeights weights_;
  std::int64_t epoch_ = 0;
  EpochOrder epochs_;
  std::vector<DrawnPrompt> order_;  // those drawn, then the others
  std::size_t drawn_ = 0;
  std::vector<std::vector<double>> rewards_;  // of each prompt's visits; empty without weights
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/prompt_order.ipp"
#endif
