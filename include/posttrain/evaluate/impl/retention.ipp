// SPDX-License-Identifier: Apache-2.0
// Definitions of retention.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/evaluate/retention.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE void RetentionMeter::add(const TokenBatch& batch, const View& now,
                                          const std::optional<View>& before, std::int64_t chunk) {
  at::NoGradGuard no_grad;
  const std::int64_t count = batch.predictions();
  const auto log_probabilities = [&](const View& view, std::int64_t begin, std::int64_t size) {
    const Tensor rows = at::index_select(view.hidden, 0, view.row.narrow(0, begin, size));
    return at::log_softmax((*view.logits)(rows).to(at::kFloat), 1);
  };
  Tensor right = at::empty({count}, at::kBool);
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t size = std::min(chunk, count - begin);
    const Tensor target = batch.target.narrow(0, begin, size);
    const Tensor logp = log_probabilities(now, begin, size);
    const Tensor chosen = logp.gather(1, target.unsqueeze(1)).squeeze(1).to(at::kDouble);
    loss_ -= (chosen * batch.weight.narrow(0, begin, size)).sum().item<double>();
    right.narrow(0, begin, size).copy_(logp.argmax(1) == target);
    if (!before) continue;
    const Tensor earlier = log_probabilities(*before, begin, size);
    kl_ += (earlier.exp() * (earlier - logp)).sum(at::kDouble).item<double>();
  }
  compared_ = compared_ && before.has_value();
  tokens_ += count;
  weight_ += batch.weight.sum(at::kDouble).item<double>();
  right_tokens_ += right.sum().item<std::int64_t>();
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int64_t begin = batch.offsets[s], size = batch.offsets[s + 1] - begin;
    if (size == 0) continue;
    sequences_ += 1;
    right_sequences_ += right.narrow(0, begin, size).all().item<bool>();
  }
}

POSTTRAIN_INLINE Retention RetentionMeter::result() const {
  Retention result;
  result.tokens = tokens_;
  result.sequences = sequences_;
  if (tokens_ == 0) return result;
  const auto tokens = static_cast<double>(tokens_);
  result.loss = weight_ > 0.0 ? loss_ / weight_ : 0.0;
  result.token_accuracy = static_cast<double>(right_tokens_) / tokens;
  result.exact_match = static_cast<double>(right_sequences_) / static_cast<double>(sequences_);
  if (compared_) result.kl = kl_ / tokens;
  return result;
}

}  // namespace posttrain
