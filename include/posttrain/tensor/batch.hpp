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

#include "posttrain/core/error.hpp"
#include "posttrain/core/forest.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

struct TokenBatch {
  Tensor ids;                             // [T] int64
  std::vector<Node> nodes;                // depth first
  std::vector<std::int64_t> node_sample;  // [nodes] sample that a node belongs to; keys randomness
  Tensor row;                             // [P] int64, index into the T rows
  Tensor target;                          // [P] int64
  Tensor weight;                          // [P] float32
  std::vector<std::int64_t> offsets{0};  // predictions [offsets[s], offsets[s + 1]) form sequence s
  std::vector<std::int64_t> samples;     // [S] data-source index of each sequence, for reports

  std::int64_t tokens() const { return ids.defined() ? ids.size(0) : 0; }
  std::int64_t predictions() const { return row.defined() ? row.size(0) : 0; }

  /// The predictions [begin, end) with the same tokens. Sequences are not meaningful in a slice:
  /// only row-local losses see one.
  TokenBatch slice(std::int64_t begin, std::int64_t end) const {
    TokenBatch part = *this;
    part.row = row.narrow(0, begin, end - begin);
    part.target = target.narrow(0, begin, end - begin);
    part.weight = weight.narrow(0, begin, end - begin);
    part.offsets = {0, end - begin};
    return part;
  }

  TokenBatch to(at::Device device) const {
    TokenBatch moved = *this;
    for (Tensor* tensor : {&moved.ids, &moved.row, &moved.target, &moved.weight}) {
      *tensor = tensor->to(device);
    }
    return moved;
  }
};

/// Builds a batch segment by segment, in depth-first order:
///   int prompt = builder.add(prompt_ids);
///   builder.add(chosen_ids, prompt);  builder.score(chosen_weights); builder.end_sequence(sample);
class BatchBuilder {
 public:
  /// Appends a segment below `parent` (−1: a root) and returns its index. `sample` keys randomness.
  /// The parent must be on the path to the latest segment (depth-first order).
  int add(std::span<const TokenId> ids, int parent = -1, std::int64_t sample = -1) {
    if (ids.empty()) raise("expected a segment of at least one token, got an empty one");
    while (!path_.empty() && path_.back() != parent) close();
    if (parent >= 0 && path_.empty()) {
      raise("expected segments in depth-first order, got segment {} below the closed segment {}",
            batch_.nodes.size(), parent);
    }
    const auto begin = static_cast<std::int64_t>(ids_.size());
    const auto length = static_cast<std::int64_t>(ids.size());
    std::int64_t position = 0;
    if (parent >= 0) {
      const Node& above = batch_.nodes[parent];
      position = above.position + above.end - above.begin;
    }
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    batch_.nodes.push_back({begin, begin + length, begin + length, position});
    batch_.node_sample.push_back(sample);
    parents_.push_back(parent);
    path_.push_back(static_cast<int>(batch_.nodes.size()) - 1);
    return path_.back();
  }

  /// Scores the tokens of the latest segment: `weights[i]` for predicting its i-th token. Weight 0
  /// lists no prediction unless `keep_unweighted`. A root's first token has no predecessor:
  /// ignored.
  void score(std::span<const float> weights, bool keep_unweighted = false) {
    const int index = path_.back();
    const Node& node = batch_.nodes[index];
    if (static_cast<std::int64_t>(weights.size()) != node.end - node.begin) {
      raise("expected {} weights, one for each token, got {}", node.end - node.begin,
            weights.size());
    }
    for (std::int64_t i = 0; i < node.end - node.begin; ++i) {
      std::int64_t row = node.begin + i - 1;
      if (i == 0) {
        if (parents_[index] < 0) continue;
        row = batch_.nodes[parents_[index]].end - 1;
      }
      if (weights[i] == 0.0F && !keep_unweighted) continue;
      predict(row, static_cast<TokenId>(ids_[node.begin + i]), weights[i]);
    }
  }

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

  TokenBatch build() && {
    while (!path_.empty()) close();
    batch_.ids = at::tensor(ids_, at::kLong);
    batch_.row = at::tensor(row_, at::kLong);
    batch_.target = at::tensor(target_, at::kLong);
    batch_.weight = at::tensor(weight_, at::kFloat);
    return std::move(batch_);
  }

 private:
  void close() {
    batch_.nodes[path_.back()].subtree_end = static_cast<std::int64_t>(ids_.size());
    path_.pop_back();
  }

  TokenBatch batch_;
  std::vector<std::int64_t> ids_, row_, target_;
  std::vector<float> weight_;
  std::vector<int> parents_, path_;
};

/// Packs sequences as roots of one batch, in the given order.
inline TokenBatch pack_sequences(std::span<const Sequence* const> sequences) {
  BatchBuilder builder;
  for (const Sequence* sequence : sequences) {
    builder.add(sequence->ids, -1, sequence->sample);
    builder.score(sequence->weights);
    builder.end_sequence(sequence->sample);
  }
  return std::move(builder).build();
}

}  // namespace posttrain
