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

#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/concepts.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/sampler.hpp"

namespace posttrain::data {

namespace detail {

std::vector<std::int64_t> sequence_lengths(const SequenceStore& sequences);
void check_token_ids(const SequenceStore& sequences, std::int64_t vocab_size);
std::vector<TokenBatch> make_batches(const Packs& packs, const SequenceStore& from);

/// Raises for an id that the model has no row for (`vocab_size` 0: unchecked).
void check_token_ids(const TokenIds& ids, std::int64_t sample, std::int64_t vocab_size);

/// The items of a pack, in its order.
template <class Item>
std::vector<const Item*> items_of(const std::vector<std::int64_t>& pack,
                                  const std::vector<Item>& all) {
  std::vector<const Item*> items;
  for (const std::int64_t index : pack) items.push_back(&all[static_cast<std::size_t>(index)]);
  return items;
}

}  // namespace detail

/// What `Stream` asks of the kind of items that it draws: here sequences, packed as roots.
struct SequenceItems {
  using Batch = TokenBatch;
  using Loaded = LoadedData;

  std::vector<std::int64_t> lengths(const SequenceStore& items) const {
    return detail::sequence_lengths(items);
  }
  void check_ids(const SequenceStore& items, std::int64_t vocab_size) const {
    detail::check_token_ids(items, vocab_size);
  }
  std::vector<TokenBatch> batches(const Packs& packs, const SequenceStore& items) const {
    return detail::make_batches(packs, items);
  }
};

/// All sequences of a store as micro-batches of at most `max_tokens` tokens: for what reads data
/// once, outside of a stream. The order is the packer's.
template <class Packer = FirstFitDecreasing>
std::vector<TokenBatch> make_batches(const SequenceStore& sequences, std::int64_t max_tokens,
                                     const Packer& packer = {}) {
  const SequenceItems items;
  return items.batches(packer.pack(items.lengths(sequences), max_tokens), sequences);
}

template <class Items, class Packer = FirstFitDecreasing>
class Stream {
 public:
  using Batch = typename Items::Batch;
  using Loaded = typename Items::Loaded;

  /// `vocab_size` bounds the ids (0: unchecked).
  Stream(Loaded loaded, const LoadContext& context, std::int64_t effective_batch_size,
         std::int64_t vocab_size, Packer packer = {}, Items items = {})
      : loaded_(std::move(loaded)),
        max_tokens_(context.max_tokens_per_batch),
        packer_(packer),
        items_(items),
        sampler_(items_.lengths(loaded_.train),
                 {.effective_batch_size = effective_batch_size,
                  .max_tokens_per_batch = context.max_tokens_per_batch,
                  .seed = context.seed,
                  .parts = loaded_.parts,
                  .epoch_size = loaded_.epoch_size},
                 packer) {
    items_.check_ids(loaded_.train, vocab_size);
    items_.check_ids(loaded_.validation, vocab_size);
  }

  /// The micro-batches of the next optimizer step; nothing at the end of an epoch, after which the
  /// next one begins.
  std::optional<std::vector<Batch>> next() {
    const auto step = sampler_.next();
    if (!step) return std::nullopt;
    return items_.batches(*step, loaded_.train);
  }

  bool at_epoch_end() const { return position().step == steps_per_epoch(); }
  std::int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  SamplerPosition position() const { return sampler_.position(); }
  void seek(SamplerPosition position) { sampler_.seek(position); }

  bool has_validation() const { return !loaded_.validation.empty(); }

  /// The whole validation set as micro-batches, in order.
  std::vector<Batch> validation() const {
    return items_.batches(packer_.pack(items_.lengths(loaded_.validation), max_tokens_),
                          loaded_.validation);
  }

  const DataReport& report() const { return loaded_.report; }

  // --- a reference that scores all data once (trainer/reference_scores.hpp) ---------------------

  /// What the scores depend on beside the reference.
  ContentHash content() const requires(Items::keeps_reference) {
    ContentHash hash;
    for (const auto* store : {&loaded_.train, &loaded_.validation}) {
      for (const auto& item : *store) Items::add_to(hash, item);
    }
    return hash;
  }

  /// `score(batch)` → log p of its predictions, [P].
  template <class Score>
  void score_reference(const Score& score) requires(Items::keeps_reference) {
    for (auto* store : {&loaded_.train, &loaded_.validation}) {
      for (const auto& pack : packer_.pack(items_.lengths(*store), max_tokens_)) {
        const Tensor logps =
            score(items_.batches({pack}, *store).front()).to(at::kCPU, at::kFloat).contiguous();
        const float* next = logps.template const_data_ptr<float>();
        for (const std::int64_t index : pack) {
          auto& item = (*store)[static_cast<std::size_t>(index)];
          item.ref_logps.assign(next, next + item.counted());
          next += item.counted();
        }
      }
    }
  }

  /// The scores of all items, one after another.
  std::vector<float> reference_scores() const requires(Items::keeps_reference) {
    std::vector<float> all;
    for (const auto* store : {&loaded_.train, &loaded_.validation}) {
      for (const auto& item : *store) {
        all.insert(all.end(), item.ref_logps.begin(), item.ref_logps.end());
      }
    }
    return all;
  }

  /// Takes back what `reference_scores` gave; false if they are not as many as are needed.
  bool set_reference_scores(const std::vector<float>& scores) requires(Items::keeps_reference) {
    std::size_t next = 0;
    for (auto* store : {&loaded_.train, &loaded_.validation}) {
      for (auto& item : *store) {
        const auto count = static_cast<std::size_t>(item.counted());
        if (count > scores.size() - next) return false;
        item.ref_logps.assign(scores.begin() + static_cast<std::ptrdiff_t>(next),
                              scores.begin() + static_cast<std::ptrdiff_t>(next + count));
        next += count;
      }
    }
    return next == scores.size();
  }

 private:
  Loaded loaded_;
  std::int64_t max_tokens_;
  Packer packer_;
  Items items_;
  StepSampler<Packer> sampler_;
};

template <class Packer = FirstFitDecreasing>
using TokenStream = Stream<SequenceItems, Packer>;

/// The stream of a data policy, with its own `packing` if it has that field.
template <class Data>
auto open_stream(const Data& policy, const LoadContext& context, std::int64_t effective_batch_size,
                 std::int64_t vocab_size) {
  if constexpr (OpensStream<Data>) {
    if constexpr (requires { policy.open(context, effective_batch_size, vocab_size); }) {
      return policy.open(context, effective_batch_size, vocab_size);
    } else {
      return policy.open(context, effective_batch_size);
    }
  } else if constexpr (requires { policy.packing; }) {
    return TokenStream<decltype(policy.packing)>(policy.load(context), context,
                                                 effective_batch_size, vocab_size, policy.packing);
  } else {
    return TokenStream<>(policy.load(context), context, effective_batch_size, vocab_size);
  }
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/token_stream.ipp"
#endif
