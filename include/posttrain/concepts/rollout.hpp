// SPDX-License-Identifier: Apache-2.0
// Requirements of training on what the policy writes itself: a loss that judges rollouts, a stream
// that makes them (docs/concepts.md#rollouts).
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <type_traits>
#include <vector>

#include "posttrain/fwd.hpp"

namespace posttrain {

/// A loss that makes advantages of a rollout's rewards, over the whole rollout and on the host, and
/// says what else it wants of it (batch/rollout.hpp).
template <class L>
concept EstimatesAdvantages = requires(const L& loss, const Rollout& rollout) {
  { loss.advantages(rollout) } -> std::same_as<std::vector<std::vector<SampleAdvantage>>>;
  { loss.rollout_needs() } -> std::same_as<RolloutNeeds>;
};

/// A stream that sees the policy: its `next` takes a view of it (trainer/policy_view.hpp).
template <class S, class View>
concept RollsOut = requires(S& stream, const View& view) {
  stream.next(view);
};

/// A model that samples with keys and values that it keeps (generate/generator.hpp). Another one
/// reads every sequence again for each token (generate/rereader.hpp).
template <class M>
concept KeepsKeys = std::is_base_of_v<models::Decoder, M>;

/// A batch whose logits are divided by a temperature before any score is taken.
template <class B>
concept HasTemperature = requires(const B& batch) {
  { batch.temperature } -> std::convertible_to<double>;
};

}  // namespace posttrain
