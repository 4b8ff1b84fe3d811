// SPDX-License-Identifier: Apache-2.0
// What a model still does: loss, accuracy and distance from an earlier self on held-out sequences.
//
//   const Retention kept = measure_retention(model, trainer.state(), batches, &reference);
//
// Everything is teacher-forced, so it costs one forward pass. `exact_match` equals that of greedy
// decoding: a sequence is right where each scored token is the most probable one after the right
// ones before it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/nn/lm_head.hpp"

namespace posttrain {

/// Means over what a set of sequences scores.
struct Retention {
  std::int64_t tokens = 0;      // scored tokens
  std::int64_t sequences = 0;   // with a scored token
  double loss = 0.0;            // mean of −log p, by weight
  double token_accuracy = 0.0;  // share of scored tokens that are the most probable ones
  double exact_match = 0.0;     // share of sequences with every scored token right
  double kl = std::numeric_limits<double>::quiet_NaN();  // mean KL(before ‖ now) of a prediction
};

/// Adds up `Retention` batch by batch.
class RetentionMeter {
 public:
  /// A model's head, its hidden states [T, d] of the batch and the rows [P] that predict: a gate
  /// with virtual tokens has rows of its own.
  struct View {
    const ScoringHead::Function* logits;
    Tensor hidden, row;
  };

  /// `before`: the earlier self, for the divergence. `chunk` rows of logits exist at a time.
  void add(const TokenBatch& batch, const View& now, const std::optional<View>& before,
           std::int64_t chunk);
  Retention result() const;

 private:
  std::int64_t tokens_ = 0, sequences_ = 0, right_tokens_ = 0, right_sequences_ = 0;
  double weight_ = 0.0, loss_ = 0.0, kl_ = 0.0;
  bool compared_ = true;
};

/// Measures the gate `now`; with `before` (a reference, or the gate of an earlier checkpoint) also
/// the divergence from it.
template <class Model, class Gate, class Before = Gate>
Retention measure_retention(const Model& model, const Gate& now,
                            const std::vector<TokenBatch>& batches,
                            const Before* before = nullptr) {
  at::NoGradGuard no_grad;
  const std::int64_t chunk = head_chunk_rows(model.vocab_size(), model.device());
  const ScoringHead::Function logits = [&](const Tensor& rows) { return model.logits(now, rows); };
  const ScoringHead::Function logits_before = [&](const Tensor& rows) {
    return model.logits(*before, rows);
  };
  RetentionMeter meter;
  for (const TokenBatch& host_batch : batches) {
    const auto view = [&](const ScoringHead::Function& head, const auto& gate) {
      TokenBatch batch = prepared(gate, host_batch).to(model.device());
      return RetentionMeter::View{&head, model.hidden(gate, batch), batch.row};
    };
    std::optional<RetentionMeter::View> earlier;
    if (before) earlier = view(logits_before, *before);
    meter.add(host_batch.to(model.device()), view(logits, now), earlier, chunk);
  }
  return meter.result();
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/evaluate/impl/retention.ipp"
#endif
