// SPDX-License-Identifier: Apache-2.0
// Definitions of prompt_order.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/data/rollouts/prompt_order.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE PromptOrder::PromptOrder(std::int64_t prompts, std::uint64_t seed,
                                          PromptWeights weights,
                                          const std::vector<MixturePart>& parts)
    : seed_(seed),
      weights_(std::move(weights)),
      epochs_(prompts, seed, stream_of("prompts"), parts),
      order_(static_cast<std::size_t>(prompts)) {
  if (prompts < 1) fail("expected at least one prompt to draw, got none");
  if (weights_.of) {
    if (!parts.empty()) {
      fail(
          "a curriculum says itself how often each prompt comes, and so do shares of several "
          "sources; hint: one of the two");
    }
    if (weights_.records.size() != order_.size()) {
      raise("expected the records of {} prompts, got {}", prompts, weights_.records.size());
    }
    rewards_.resize(order_.size());
  }
  begin(0);
}

POSTTRAIN_INLINE void PromptOrder::begin(std::int64_t epoch) {
  epoch_ = epoch;
  drawn_ = 0;
  if (weights_.of) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = {i, epoch};
    if (!any_left()) {
      raise(
          "expected a curriculum with a weight above 0 for a record of epoch {}, got 0 for all {}; "
          "hint: give every record a small weight",
          epoch, order_.size());
    }
    return;
  }
  std::ranges::transform(epochs_.draws(epoch), order_.begin(), [](const Draw& draw) {
    return DrawnPrompt{static_cast<std::size_t>(draw.record), draw.pass};
  });
}

POSTTRAIN_INLINE std::vector<DrawnPrompt> PromptOrder::draw(std::int64_t count) {
  const auto next = order_.begin() + static_cast<std::ptrdiff_t>(drawn_);
  if (weights_.of) {
    const std::vector<DrawnPrompt> chosen = heaviest(count);
    std::vector<bool> taken(order_.size());
    for (const DrawnPrompt& drawn : chosen) taken[drawn.prompt] = true;
    std::stable_partition(next, order_.end(),
                          [&](const DrawnPrompt& drawn) { return taken[drawn.prompt]; });
    std::copy(chosen.begin(), chosen.end(), next);
    count = std::ssize(chosen);
  }
  const auto drawn =
      std::min(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), order_.size() - drawn_);
  drawn_ += drawn;
  return {next, next + static_cast<std::ptrdiff_t>(drawn)};
}

POSTTRAIN_INLINE bool PromptOrder::any_left() const {
  const auto next = order_.begin() + static_cast<std::ptrdiff_t>(drawn_);
  if (!weights_.of) return next != order_.end();
  return std::any_of(next, order_.end(),
                     [&](const DrawnPrompt& drawn) { return weight(drawn.prompt) > 0.0; });
}

POSTTRAIN_INLINE void PromptOrder::visited(std::size_t prompt, double mean_reward) {
  if (weights_.of) rewards_.at(prompt).push_back(mean_reward);
}

POSTTRAIN_INLINE double PromptOrder::weight(std::size_t prompt) const {
  const double weight = weights_.of(weights_.records[prompt], rewards_[prompt]);
  if (!std::isfinite(weight) || weight < 0.0) {
    raise("record {}: expected a finite weight of at least 0 from the curriculum, got {}",
          weights_.records[prompt], weight);
  }
  return weight;
}

/// The next prompts by their weights, in their order.
POSTTRAIN_INLINE std::vector<DrawnPrompt> PromptOrder::heaviest(std::int64_t count) const {
  struct Place {
    double key, uniform;
    std::size_t prompt;
    /// Equal keys, which rounding makes of different numbers, go by the number itself.
    bool operator<(const Place& other) const {
      return std::tie(other.key, other.uniform, prompt) < std::tie(key, uniform, other.prompt);
    }
  };
  const std::uint64_t stream =
      mix_streams(stream_of("curriculum"), static_cast<std::uint64_t>(epoch_));
  std::vector<Place> places;
  for (std::size_t i = drawn_; i < order_.size(); ++i) {
    const std::size_t prompt = order_[i].prompt;
    const double heavy = weight(prompt);
    if (heavy == 0.0) continue;
    const auto record = static_cast<std::uint64_t>(weights_.records[prompt]);
    const double uniform = 1.0 - Philox4x32(seed_, mix_streams(stream, record)).uniform();
    places.push_back({std::log(uniform) / heavy, uniform, prompt});
  }
  const auto most = std::clamp<std::int64_t>(count, 0, std::ssize(places));
  std::partial_sort(places.begin(), places.begin() + most, places.end());
  std::vector<DrawnPrompt> chosen;
  for (std::int64_t i = 0; i < most; ++i) {
    chosen.push_back({places[static_cast<std::size_t>(i)].prompt, epoch_});
  }
  return chosen;
}

POSTTRAIN_INLINE void PromptOrder::write(Json& head) const {
  head["cursor"] = drawn_;
  if (!weights_.of) return;
  Json& drawn = head["drawn"] = Json::array();
  for (std::size_t i = 0; i < drawn_; ++i) drawn.push_back(order_[i].prompt);
  Json& rewards = head["visits"] = Json::array();
  for (std::size_t prompt = 0; prompt < rewards_.size(); ++prompt) {
    if (!rewards_[prompt].empty()) rewards.push_back(Json::array({prompt, rewards_[prompt]}));
  }
}

POSTTRAIN_INLINE void PromptOrder::read(const Json& head, std::int64_t epoch,
                                        std::string_view where) {
  PromptOrder read = *this;
  read.begin(epoch);
  const auto prompts = std::ssize(order_);
  read.drawn_ = static_cast<std::size_t>(
      io::integer_from(io::required_under(head, "cursor", where), where, "cursor", 0, prompts));
  if (weights_.of) {
    const auto list = [&](const Json& owner, const char* key) -> const Json& {
      return io::array_from(io::required_under(owner, key, where), where, key);
    };
    const auto prompt_from = [&](const Json& value, const char* key) {
      return static_cast<std::size_t>(io::integer_from(value, where, key, 0, prompts - 1));
    };
    std::vector<bool> taken(order_.size());
    std::vector<DrawnPrompt> order;
    for (const Json& value : list(head, "drawn")) {
      const std::size_t prompt = prompt_from(value, "drawn");
      if (taken[prompt]) raise("{}: prompt {} was drawn twice", where, prompt);
      taken[prompt] = true;
      order.push_back({prompt, epoch});
    }
    if (order.size() != read.drawn_) {
      raise("{}: expected {} prompts under \"drawn\", found {}", where, read.drawn_, order.size());
    }
    for (std::size_t prompt = 0; prompt < taken.size(); ++prompt) {
      if (!taken[prompt]) order.push_back({prompt, epoch});
    }
    read.order_ = std::move(order);
    read.rewards_.assign(order_.size(), {});
    for (const Json& value : list(head, "visits")) {
      io::array_from(value, where, "visits");
      if (value.size() != 2) raise("{}: expected a prompt and its rewards under \"visits\"", where);
      std::vector<double>& rewards = read.rewards_[prompt_from(value[0], "visits")];
      for (const Json& reward : io::array_from(value[1], where, "visits")) {
        rewards.push_back(io::number_from(reward, where, "visits"));
      }
    }
  }
  *this = std::move(read);
}

}  // namespace posttrain::data
