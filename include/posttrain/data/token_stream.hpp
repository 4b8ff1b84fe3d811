// SPDX-License-Identifier: Apache-2.0
// From loaded sequences to the micro-batches of optimizer steps; what a Trainer pulls from.
//
// A data policy either loads sequences (`data::LoadedData load(const LoadContext&) const`), which
// this class samples, packs and batches, or opens a stream of its own batch type with the same
// members.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/core/concepts.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/data/loaded.hpp"
#include "posttrain/data/sampler.hpp"
#include "posttrain/tensor/batch.hpp"

namespace posttrain::data {

namespace detail {

std::vector<std::int64_t> sequence_lengths(const SequenceStore& sequences);
void check_token_ids(const SequenceStore& sequences, std::int64_t vocab_size);
std::vector<TokenBatch> make_batches(const Packs& packs, const SequenceStore& from);

}  // namespace detail

template <class Packer = FirstFitDecreasing>
class TokenStream {
 public:
  /// `vocab_size` bounds the ids (0: unchecked).
  TokenStream(LoadedData loaded, const LoadContext& context, std::int64_t effective_batch_size,
              std::int64_t vocab_size, Packer packer = {})
      : loaded_(std::move(loaded)),
        max_tokens_(context.max_tokens_per_batch),
        packer_(packer),
        sampler_(detail::sequence_lengths(loaded_.train),
                 {.effective_batch_size = effective_batch_size,
                  .max_tokens_per_batch = context.max_tokens_per_batch,
                  .seed = context.seed,
                  .parts = loaded_.parts,
                  .epoch_size = loaded_.epoch_size},
                 packer) {
    detail::check_token_ids(loaded_.train, vocab_size);
    detail::check_token_ids(loaded_.validation, vocab_size);
  }

  /// The micro-batches of the next optimizer step; nothing at the end of an epoch, after which the
  /// next one begins.
  std::optional<std::vector<TokenBatch>> next() {
    const auto step = sampler_.next();
    if (!step) return std::nullopt;
    return detail::make_batches(*step, loaded_.train);
  }

  bool at_epoch_end() const { return position().step == steps_per_epoch(); }
  std::int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  SamplerPosition position() const { return sampler_.position(); }
  void seek(SamplerPosition position) { sampler_.seek(position); }

  bool has_validation() const { return !loaded_.validation.empty(); }

  /// The whole validation set as micro-batches, in order.
  std::vector<TokenBatch> validation() const {
    return detail::make_batches(
        packer_.pack(detail::sequence_lengths(loaded_.validation), max_tokens_),
        loaded_.validation);
  }

  const DataReport& report() const { return loaded_.report; }

 private:
  LoadedData loaded_;
  std::int64_t max_tokens_;
  Packer packer_;
  StepSampler<Packer> sampler_;
};

/// The stream of a data policy, with its own `packing` if it has that field.
template <class Data>
auto open_stream(const Data& policy, const LoadContext& context, std::int64_t effective_batch_size,
                 std::int64_t vocab_size) {
  if constexpr (OpensStream<Data>) {
    return policy.open(context, effective_batch_size);
  } else if constexpr (requires { policy.packing; }) {
    return TokenStream(policy.load(context), context, effective_batch_size, vocab_size,
                       policy.packing);
  } else {
    return TokenStream<>(policy.load(context), context, effective_batch_size, vocab_size);
  }
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/token_stream_impl.hpp"
#endif
