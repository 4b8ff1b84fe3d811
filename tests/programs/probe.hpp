// SPDX-License-Identifier: Apache-2.0
// What the probes compute: loss, log-probabilities and gradients of a model on given sequences.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/nn/lm_head.hpp"

namespace posttrain::test {

/// {"sequences": [[ids…], …], "weights": [[…], …]}: a weight for predicting each token, the first
/// ignored.
inline TokenBatch read_batch(const std::string& batch_file, std::int64_t vocab_size) {
  const Json json = io::parse_json(io::read_text_file(batch_file), batch_file);
  BatchBuilder builder;
  const auto& sequences = json.at("sequences");
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const auto ids = sequences[s].get<TokenIds>();
    for (const TokenId id : ids) {
      if (id < 0 || id >= vocab_size) {
        raise("{}: sequence {}: expected ids below {}, got {}", batch_file, s, vocab_size, id);
      }
    }
    builder.add(ids, -1, static_cast<std::int64_t>(s));
    builder.score(json.at("weights").at(s).get<std::vector<float>>(), /*keep_unweighted=*/true);
    builder.end_sequence(static_cast<std::int64_t>(s));
  }
  return std::move(builder).build();
}

/// `loss` (Σ weight · nll / Σ weight), `logps` of the predictions in order, and what
/// `state.gradients()` lists, to which the loss's gradients were added.
template <class State>
std::vector<std::pair<std::string, Tensor>> probe_state(const models::Decoder& model,
                                                        const State& state,
                                                        const TokenBatch& own_batch,
                                                        const ModelCall& call = {}) {
  const TokenBatch batch = prepared(state, own_batch);
  const NextToken loss;
  const double count = loss.count(batch);
  if (!(count > 0.0)) raise("expected a positive sum of weights, got {}", count);
  const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
  const std::int64_t chunk = head_chunk_rows(model.vocab_size());
  const double sum = backward_through_head(logits, model.hidden(state, batch, call), batch, loss,
                                           loss.needs(), 1.0 / count, chunk)
                         .item()
                         .toDouble();
  at::NoGradGuard no_grad;
  const Scores scores =
      score_predictions(logits, model.hidden(state, batch), batch, loss.needs(), chunk);

  std::vector<std::pair<std::string, Tensor>> tensors;
  tensors.emplace_back("loss",
                       at::full({1}, sum / count, at::kDouble).to(scores.logp.scalar_type()));
  tensors.emplace_back("logps", scores.logp);
  for (const NamedTensor& gradient : state.gradients()) {
    tensors.emplace_back(gradient.name, gradient.value);
  }
  return tensors;
}

}  // namespace posttrain::test
