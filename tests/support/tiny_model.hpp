// SPDX-License-Identifier: Apache-2.0
// A decoder small enough for finite differences, and helpers to evaluate it.
#pragma once

#include <string>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/device.hpp"

namespace posttrain::test {

/// Two layers, grouped-query attention, one layer with a window; every optional piece switched on.
inline models::DecoderConfig tiny_config() {
  models::DecoderConfig config;
  config.model_type = "tiny";
  config.vocab_size = 50;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 4;
  config.max_positions = 128;
  config.tied = true;
  config.qk_norm = true;
  config.qkv_bias = true;
  config.attention_scale = 0.5;
  config.attention_softcap = 3.0;
  config.final_softcap = 5.0;
  config.initializer_range = 0.3;
  config.layers = {{0, 0}, {4, 0}};
  models::RopeSpec rope;
  rope.inv_freq = {1.0F, 0.1F};
  rope.rotary_dim = 4;
  config.ropes = {rope};
  return config;
}

inline models::Decoder tiny_model(at::ScalarType dtype = at::kDouble, std::uint64_t seed = 1) {
  return models::Decoder(tiny_config(), {.dtype = dtype, .device = test_device(), .seed = seed});
}

/// Deterministic ids in [0, vocab).
inline TokenIds some_ids(std::int64_t count, std::uint64_t seed, std::int64_t vocab = 50) {
  Philox4x32 generator(seed, 99);
  TokenIds ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<TokenId>(generator.below(static_cast<std::uint32_t>(vocab))));
  }
  return ids;
}

inline Sequence some_sequence(std::int64_t length, std::uint64_t seed, std::int64_t vocab = 50) {
  Sequence sequence{some_ids(length, seed, vocab), {}, static_cast<std::int64_t>(seed)};
  Philox4x32 generator(seed, 7);
  for (std::int64_t i = 0; i < length; ++i) {
    sequence.weights.push_back(i % 3 == 0 ? 0.0F : static_cast<float>(generator.uniform()) + 0.5F);
  }
  return sequence;
}

inline TokenBatch batch_of(const std::vector<Sequence>& sequences) {
  std::vector<const Sequence*> pointers;
  for (const Sequence& sequence : sequences) pointers.push_back(&sequence);
  return pack_sequences(pointers).to(test_device());
}

template <class State>
void zero_gradients(State& state) {
  for (ParameterGroup& group : state.trainable()) group.grad.zero_();
}

/// Adds gradients of scale · sum and returns the sum.
template <class State, class Loss>
double add_gradients(const models::Decoder& model, State& state, const TokenBatch& own_batch,
                     const Loss& loss, double scale = 1.0, const ModelCall& call = {},
                     std::int64_t chunk = 5) {
  const TokenBatch batch = prepared(state, own_batch).to(model.device());
  const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
  return backward_through_head(logits, model.hidden(state, batch, call), batch, loss,
                               needs_of(loss), scale, chunk)
      .item()
      .toDouble();
}

template <class State, class Loss>
double loss_sum(const models::Decoder& model, const State& state, const TokenBatch& own_batch,
                const Loss& loss) {
  at::NoGradGuard no_grad;
  const TokenBatch batch = prepared(state, own_batch).to(model.device());
  const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
  const Scores scores =
      score_predictions(logits, model.hidden(state, batch), batch, needs_of(loss), 7);
  return loss.sum(scores, batch).template item<double>();
}

/// All gradients as one vector.
template <class State>
Tensor flat_gradient(const State& state) {
  Tensors flat;
  for (const NamedTensor& gradient : state.gradients())
    flat.push_back(gradient.value.reshape({-1}));
  return at::cat(flat).clone();
}

/// max |a − b| / max |b|.
inline double relative_error(const Tensor& a, const Tensor& b) {
  const Tensor wide = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

}  // namespace posttrain::test
