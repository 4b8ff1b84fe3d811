// SPDX-License-Identifier: Apache-2.0
// Definitions of tokens.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE TokenBatch TokenBatch::slice(std::int64_t begin, std::int64_t end) const {
  TokenBatch part = *this;
  part.row = row.narrow(0, begin, end - begin);
  part.target = target.narrow(0, begin, end - begin);
  part.weight = weight.narrow(0, begin, end - begin);
  if (ref_logps.defined()) part.ref_logps = ref_logps.narrow(0, begin, end - begin);
  part.offsets = {0, end - begin};
  part.sequence_id = Tensor();
  return part;
}

POSTTRAIN_INLINE Tensor TokenBatch::sequence_of() const {
  if (sequence_id.defined()) return sequence_id;
  std::vector<std::int64_t> all(static_cast<std::size_t>(predictions()));
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    std::fill(all.begin() + offsets[s], all.begin() + offsets[s + 1], static_cast<std::int64_t>(s));
  }
  return uploaded(at::tensor(all, at::kLong), row.device());
}

POSTTRAIN_INLINE std::vector<Tensor*> moving_tensors(TokenBatch& batch, at::Device device) {
  if (!device.is_cpu() && batch.ids.defined()) {
    if (!batch.position.defined()) {
      batch.position = at::tensor(token_positions(batch.nodes), at::kLong);
    }
    const auto of_rows = [&](const std::vector<std::int64_t>& of_nodes) {
      std::vector<std::int64_t> all;
      for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
        all.insert(all.end(), static_cast<std::size_t>(batch.nodes[n].end - batch.nodes[n].begin),
                   of_nodes[n]);
      }
      return at::tensor(all, at::kLong);
    };
    if (!batch.row_sample.defined()) batch.row_sample = of_rows(batch.node_sample);
    if (!batch.row_length.defined()) batch.row_length = of_rows(real_lengths(batch));
    if (!batch.sequence_id.defined()) batch.sequence_id = batch.sequence_of();
  }
  return {&batch.ids,        &batch.row,        &batch.target,
          &batch.weight,     &batch.ref_logps,  &batch.position,
          &batch.row_sample, &batch.row_length, &batch.sequence_id};
}

POSTTRAIN_INLINE TokenBatch TokenBatch::to(at::Device device) const {
  TokenBatch moved = *this;
  upload_together(moving_tensors(moved, device), device);
  return moved;
}

POSTTRAIN_INLINE std::vector<std::int64_t> real_lengths(const TokenBatch& batch) {
  std::vector<Segment> nodes;
  std::vector<std::size_t> places;
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    if (batch.nodes[n].position < batch.virtual_tokens) continue;
    nodes.push_back(batch.nodes[n]);
    nodes.back().position -= batch.virtual_tokens;
    places.push_back(n);
  }
  const std::vector<std::int64_t> lengths = tree_lengths(nodes);
  std::vector<std::int64_t> all(batch.nodes.size(), 0);
  for (std::size_t i = 0; i < places.size(); ++i) all[places[i]] = lengths[i];
  return all;
}

POSTTRAIN_INLINE int BatchBuilder::add(std::span<const TokenId> ids, int parent,
                                       std::int64_t sample) {
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
    const Segment& above = batch_.nodes[parent];
    position = above.position + above.end - above.begin;
  }
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  batch_.nodes.push_back({begin, begin + length, begin + length, position});
  batch_.node_sample.push_back(sample);
  parents_.push_back(parent);
  path_.push_back(static_cast<int>(batch_.nodes.size()) - 1);
  return path_.back();
}

POSTTRAIN_INLINE void BatchBuilder::score(std::span<const float> weights, bool keep_unweighted) {
  if (path_.empty()) fail("expected a segment before its weights, got weights alone");
  const int index = path_.back();
  const Segment& node = batch_.nodes[index];
  if (static_cast<std::int64_t>(weights.size()) != node.end - node.begin) {
    raise("expected {} weights, one for each token, got {}", node.end - node.begin, weights.size());
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

POSTTRAIN_INLINE void BatchBuilder::reward(std::int64_t token) {
  if (path_.empty()) fail("expected a segment before its reward, got a reward alone");
  const Segment& node = batch_.nodes[path_.back()];
  if (token < 0 || token >= node.end - node.begin) {
    raise("expected the index of a token of the segment, below {}, got {}", node.end - node.begin,
          token);
  }
  predict(node.begin + token, 0, 1.0F);
}

POSTTRAIN_INLINE TokenBatch BatchBuilder::build() && {
  if (const std::int64_t ended = batch_.offsets.back();
      ended != static_cast<std::int64_t>(row_.size())) {
    raise(
        "expected end_sequence() after the last prediction, got {} predictions that belong to no "
        "sequence",
        static_cast<std::int64_t>(row_.size()) - ended);
  }
  while (!path_.empty()) close();
  batch_.ids = at::tensor(ids_, at::kLong);
  batch_.row = at::tensor(row_, at::kLong);
  batch_.target = at::tensor(target_, at::kLong);
  batch_.weight = at::tensor(weight_, at::kFloat);
  return std::move(batch_);
}

POSTTRAIN_INLINE void BatchBuilder::close() {
  batch_.nodes[path_.back()].subtree_end = static_cast<std::int64_t>(ids_.size());
  path_.pop_back();
}

POSTTRAIN_INLINE TokenBatch pack_sequences(std::span<const Sequence* const> sequences) {
  BatchBuilder builder;
  for (const Sequence* sequence : sequences) {
    builder.add(sequence->ids, -1, sequence->sample);
    builder.score(sequence->weights);
    builder.end_sequence(sequence->sample);
  }
  return std::move(builder).build();
}

}  // namespace posttrain
