// SPDX-License-Identifier: Apache-2.0
// From loaded items to the micro-batches of optimizer steps; what a Trainer pulls from.
//
// A data policy either loads items of a kind (`load(const LoadContext&) const`, and `kind() const`
// unless they are sequences), which this class samples, packs and batches, or opens a stream of its
// own batch type with the same members.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/data.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/distributed/shared_work.hpp"

namespace posttrain::data {

namespace detail {

/// Raises for an id that the model has no row for.
void check_token_ids(const TokenIds& ids, std::int64_t sample, std::int64_t vocab_size);

/// Tokens of each item; of sequences without reading them.
template <class Kind, class Store>
std::vector<std::int64_t> lengths_of(const Kind& kind, const Store& items) {
  std::vector<std::int64_t> all(items.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if constexpr (std::same_as<Store, SequenceStore>) {
      all[i] = items.length(i);
    } else {
      all[i] = kind.tokens(items[i]);
    }
  }
  return all;
}

template <class Kind, class Store>
void check_ids(const Kind& kind, const Store& items, std::int64_t vocab_size) {
  if (vocab_size <= 0) return;
  for (const auto& item : items) {
    for (const Sequence& part : kind.parts(item)) {
      check_token_ids(part.ids, item.sample, vocab_size);
    }
  }
}

/// The micro-batches of a step. Items of a mapped store live for the call only.
template <class Kind, class Store>
std::vector<typename Kind::Batch> batches_of(const Kind& kind, const Packs& packs,
                                             const Store& items) {
  std::vector<std::vector<const typename Kind::Item*>> chosen;
  std::deque<typename Kind::Item> read;
  for (const auto& pack : packs) {
    auto& pointers = chosen.emplace_back();
    for (const std::int64_t index : pack) {
      const auto i = static_cast<std::size_t>(index);
      if constexpr (std::same_as<Store, SequenceStore>) {
        pointers.push_back(&read.emplace_back(items[i]));
      } else {
        pointers.push_back(&items[i]);
      }
    }
  }
  if constexpr (PacksSteps<Kind>) {
    return kind.batches(chosen);
  } else {
    std::vector<typename Kind::Batch> all;
    for (const auto& pointers : chosen) all.push_back(kind.pack(pointers));
    return all;
  }
}

}  // namespace detail

/// All items of a store as micro-batches of at most `max_tokens` tokens, for reading data once
/// outside of a stream. The order is the packer's.
template <ItemKind Kind, class Store, class Packer = FirstFitDecreasing>
std::vector<typename Kind::Batch> make_batches(const Kind& kind, const Store& items,
                                               std::int64_t max_tokens, const Packer& packer = {},
                                               std::int64_t ranks = 1) {
  return detail::batches_of(
      kind, pack_for_ranks(packer, detail::lengths_of(kind, items), max_tokens, ranks), items);
}

/// Draws items of one kind (concepts/kind.hpp).
template <ItemKind Kind, class Packer = FirstFitDecreasing>
class Stream {
 public:
  using Batch = typename Kind::Batch;

  /// `vocab_size` bounds the ids (0: unchecked).
  Stream(LoadedOf<Kind> loaded, const LoadContext& context, std::int64_t effective_batch_size,
         std::int64_t vocab_size, Packer packer = {}, Kind kind = {})
      : loaded_(std::move(loaded)),
        max_tokens_(context.max_tokens_per_batch),
        ranks_(context.ranks),
        packer_(packer),
        kind_(kind),
        sampler_(detail::lengths_of(kind_, loaded_.train),
                 {.effective_batch_size = effective_batch_size,
                  .max_tokens_per_batch = context.max_tokens_per_batch,
                  .ranks = size_of(context.ranks),
                  .seed = context.seed,
                  .parts = loaded_.parts,
                  .epoch_size = loaded_.epoch_size},
                 packer) {
    detail::check_ids(kind_, loaded_.train, vocab_size);
    detail::check_ids(kind_, loaded_.validation, vocab_size);
  }

  /// The micro-batches of the next optimizer step; nothing at the end of an epoch, after which the
  /// next one begins.
  std::optional<std::vector<Batch>> next() {
    const auto step = sampler_.next();
    if (!step) return std::nullopt;
    return detail::batches_of(kind_, *step, loaded_.train);
  }

  bool at_epoch_end() const { return position().step == steps_per_epoch(); }
  std::int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  SamplerPosition position() const { return sampler_.position(); }
  void seek(SamplerPosition position) { sampler_.seek(position); }

  bool has_validation() const { return !loaded_.validation.empty(); }

  /// The whole validation set as micro-batches, in order.
  std::vector<Batch> validation() const {
    return make_batches(kind_, loaded_.validation, max_tokens_, packer_, size_of(ranks_));
  }

  const DataReport& report() const { return loaded_.report; }

  /// Hash of all items and of how they are drawn: what a run's numbers depend on.
  ContentHash content() const {
    ContentHash hash;
    for (const auto* store : {&loaded_.train, &loaded_.validation}) {
      hash.add(static_cast<std::uint64_t>(store->size()));
      for (const auto& item : *store) add_content(hash, kind_, item);
    }
    for (const MixturePart& part : loaded_.parts) {
      hash.add(static_cast<std::uint64_t>(part.sequences));
      hash.add(std::bit_cast<std::uint64_t>(part.share));
    }
    hash.add(static_cast<std::uint64_t>(loaded_.epoch_size));
    return hash;
  }

  // --- a reference that scores all data once (trainer/reference_scores.hpp) ---------------------

  /// `score(batch)` → log p of its predictions, [P].
  template <class Score>
  void score_reference(const Score& score) requires(KeepsReference<Kind>) {
    for (auto* store : {&loaded_.train, &loaded_.validation}) {
      const std::vector<std::int64_t> lengths = detail::lengths_of(kind_, *store);
      const Packs packs = pack_for_ranks(packer_, lengths, max_tokens_, size_of(ranks_));
      std::vector<double> costs;
      for (const auto& pack : packs) {
        double& tokens = costs.emplace_back(0.0);
        for (const std::int64_t index : pack) {
          tokens += static_cast<double>(lengths[static_cast<std::size_t>(index)]);
        }
      }
      const std::vector<Tensors> scored = shared_work(ranks_, costs, [&](std::size_t i) {
        return Tensors{score(detail::batches_of(kind_, {packs[i]}, *store).front())
                           .to(at::kCPU, at::kFloat)
                           .contiguous()};
      });
      for (std::size_t i = 0; i < packs.size(); ++i) {
        const float* next = scored[i][0].template const_data_ptr<float>();
        for (const std::int64_t index : packs[i]) {
          auto& item = (*store)[static_cast<std::size_t>(index)];
          item.ref_logps.assign(next, next + kind_.counted(item));
          next += kind_.counted(item);
        }
      }
    }
  }

  /// The scores of all items, one after another.
  std::vector<float> reference_scores() const requires(KeepsReference<Kind>) {
    std::vector<float> all;
    for (const auto* store : {&loaded_.train, &loaded_.validation}) {
      for (const auto& item : *store) {
        all.insert(all.end(), item.ref_logps.begin(), item.ref_logps.end());
      }
    }
    return all;
  }

  /// Takes back what `reference_scores` gave; false if they are not as many as are needed.
  bool set_reference_scores(const std::vector<float>& scores) requires(KeepsReference<Kind>) {
    std::size_t next = 0;
    for (auto* store : {&loaded_.train, &loaded_.validation}) {
      for (auto& item : *store) {
        const auto count = static_cast<std::size_t>(kind_.counted(item));
        if (count > scores.size() - next) return false;
        item.ref_logps.assign(scores.begin() + static_cast<std::ptrdiff_t>(next),
                              scores.begin() + static_cast<std::ptrdiff_t>(next + count));
        next += count;
      }
    }
    return next == scores.size();
  }

 private:
  LoadedOf<Kind> loaded_;
  std::int64_t max_tokens_;
  Communicator* ranks_;
  Packer packer_;
  Kind kind_;
  StepSampler<Packer> sampler_;
};

template <class Packer = FirstFitDecreasing>
using TokenStream = Stream<SequenceKind, Packer>;

namespace detail {

template <class Data>
auto kind_of(const Data& policy) {
  if constexpr (LoadsItems<Data>) {
    return policy.kind();
  } else {
    return SequenceKind{};
  }
}

template <class Data>
auto packer_of(const Data& policy) {
  if constexpr (requires { policy.packing; }) {
    return policy.packing;
  } else {
    return FirstFitDecreasing{};
  }
}

}  // namespace detail

/// The stream of a data policy: its own, or one over the items that it loads, of its `kind()`
/// (sequences, if it names none) and with its `packing` (first fit decreasing).
template <class Data>
auto open_stream(const Data& policy, const LoadContext& context, std::int64_t effective_batch_size,
                 std::int64_t vocab_size) {
  if constexpr (OpensStream<Data>) {
    if constexpr (requires { policy.open(context, effective_batch_size, vocab_size); }) {
      return policy.open(context, effective_batch_size, vocab_size);
    } else {
      return policy.open(context, effective_batch_size);
    }
  } else {
    return Stream<decltype(detail::kind_of(policy)), decltype(detail::packer_of(policy))>(
        policy.load(context), context, effective_batch_size, vocab_size, detail::packer_of(policy),
        detail::kind_of(policy));
  }
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/stream.ipp"
#endif
