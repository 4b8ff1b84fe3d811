// SPDX-License-Identifier: Apache-2.0
// One micro-batch: tokens to read (a segment forest) and predictions to score. No padding anywhere.
//
// `row[i]` is the hidden row from which token `target[i]` is predicted with loss weight
// `weight[i]`. Rows are listed explicitly because a prompt's last row predicts the first token of
// each of its continuations. Masked tokens are read but not listed, so they never reach the LM
// head.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct TokenBatch {
  Tensor ids;                             // [T] int64
  std::vector<Segment> nodes;             // depth first
  std::vector<std::int64_t> node_sample;  // [nodes] sample that a node belongs to; keys randomness
  Tensor row;                             // [P] int64, index into the T rows
  Tensor target;                          // [P] int64
  Tensor weight;                          // [P] float32
  Tensor ref_logps;  // [P] log p of the reference, where a loss compares with one
  std::vector<std::int64_t> offsets{0};  // predictions [offsets[s], offsets[s + 1]) form sequence s
  std::vector<std::int64_t> samples;     // [S] data-source index of each sequence, for reports
  // How many virtual tokens precede every sequence; positions count them
  // (batch/virtual_tokens.hpp)
  std::int64_t virtual_tokens = 0;
  double temperature = 1.0;  // logits are divided by it before any score is taken
  // Of rows and predictions, for work on another device; `to` makes them there. Undefined: they are
  // made from `nodes` and `offsets` where they are needed.
  Tensor position{};     // [T] int64
  Tensor row_sample{};   // [T] int64: node_sample of the row's segment
  Tensor row_length{};   // [T] int64: real_lengths of the row's segment
  Tensor sequence_id{};  // [P] int64

  std::int64_t tokens() const { return ids.defined() ? ids.size(0) : 0; }
  std::int64_t predictions() const { return row.defined() ? row.size(0) : 0; }

  /// For each prediction the sequence that it belongs to, [P] int64.
  Tensor sequence_of() const;

  /// The predictions [begin, end) with the same tokens. Sequences are not meaningful in a slice:
  /// only row-local losses see one.
  TokenBatch slice(std::int64_t begin, std::int64_t end) const;

  /// On another device all tensors come in one copy.
  TokenBatch to(at::Device device) const;
};

/// The tensors that a batch's `to` moves, those first made that only another device needs: what a
/// batch type that adds tensors moves with them (tensor/transfer.hpp, `upload_together`).
std::vector<Tensor*> moving_tensors(TokenBatch& batch, at::Device device);

/// Of each segment the longest path of its tree in tokens, virtual ones left out; 0 for a segment
/// of virtual tokens.
std::vector<std::int64_t> real_lengths(const TokenBatch& batch);

/// Builds a batch segment by segment, in depth-first order:
///   int prompt = builder.add(prompt_ids);
///   builder.add(chosen_ids, prompt);  builder.score(chosen_weights); builder.end_sequence(sample);
class BatchBuilder {
 public:
  /// Appends a segment below `parent` (−1: a root) and returns its index. `sample` keys randomness.
  /// The parent must be on the path to the latest segment (depth-first order).
  int add(std::span<const TokenId> ids, int parent = -1, std::int64_t sample = -1);

  /// Scores the tokens of the latest segment: `weights[i]` for predicting its i-th token. Weight 0
  /// lists no prediction unless `keep_unweighted`. A root's first token has no predecessor:
  /// ignored.
  void score(std::span<const float> weights, bool keep_unweighted = false);

  /// A reward of what was read up to the latest segment's token of this index: a prediction without
  /// a target (0 stands there), for models whose head gives one number.
  void reward(std::int64_t token);

  /// One more prediction of the current sequence.
  void predict(std::int64_t row, TokenId target, float weight) {
    row_.push_back(row);
    target_.push_back(target);
    weight_.push_back(weight);
  }

  /// The predictions since the previous call form one sequence, named by its data-source index.
  void end_sequence(std::int64_t sample = -1) {
    batch_.offsets.push_back(static_cast<std::int64_t>(row_.size()));
    batch_.samples.push_back(sample);
  }

  /// Every prediction must belong to a sequence.
  TokenBatch build() &&;

 private:
  void close();

  TokenBatch batch_;
  std::vector<std::int64_t> ids_, row_, target_;
  std::vector<float> weight_;
  std::vector<int> parents_, path_;
};

/// Packs sequences as roots of one batch, in the given order.
TokenBatch pack_sequences(std::span<const Sequence* const> sequences);

inline TokenBatch SequenceKind::pack(std::span<const Sequence* const> sequences) {
  return pack_sequences(sequences);
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/tokens.ipp"
#endif
