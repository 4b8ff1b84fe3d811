// SPDX-License-Identifier: Apache-2.0
// A kind of item that is trained on: one trait, from which loading, streaming, caching and
// reference scores of any number of such items follow (docs/concepts.md#kinds-of-items).
//
// An item is what one sample of a file becomes as token ids: a sequence, a pair of answers, a
// solution in steps. A kind is an aggregate whose fields say how items are treated.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain {

template <class K>
concept ItemKind = requires(const K& kind, typename K::Item& item, const typename K::Item& constant,
                            ContentHash& hash, std::span<const typename K::Item* const> pack) {
  typename K::Batch;
  // Tokens that a micro-batch reads for the item, and those of the longest text in it.
  { kind.tokens(constant) } -> std::convertible_to<std::int64_t>;
  { kind.length(constant) } -> std::convertible_to<std::int64_t>;
  // Predictions that the loss scores; an item with none is dropped and counted.
  { kind.counted(constant) } -> std::convertible_to<std::int64_t>;
  // Cuts an item to texts of at most so many tokens; false if nothing would be left.
  { kind.truncate(item, std::int64_t{}) } -> std::convertible_to<bool>;
  // Its index in the data source.
  { constant.sample } -> std::convertible_to<std::int64_t>;
  // All of its numbers as sequences, and back: for hashes, caches and checks of ids.
  { kind.parts(constant) } -> std::same_as<std::vector<Sequence>>;
  { kind.from_parts(std::vector<Sequence>{}) } -> std::same_as<typename K::Item>;
};

/// Items whose batch depends on the whole optimizer step: `batches(packs of pointers)` instead of
/// `pack(pointers)`.
template <class K>
concept PacksSteps = ItemKind<K> &&
    requires(const K& kind, const std::vector<std::vector<const typename K::Item*>>& packs) {
  kind.batches(packs);
};

/// Items with a field `ref_logps` for the scores of a reference (params/with_reference_scores.hpp).
template <class K>
concept KeepsReference = ItemKind<K> && K::keeps_reference;

/// The hash of what an item is made of.
template <ItemKind K>
void add_content(ContentHash& hash, const K& kind, const typename K::Item& item) {
  for (const Sequence& part : kind.parts(item)) {
    hash.add(static_cast<std::uint64_t>(part.ids.size()));
    hash.add(std::as_bytes(std::span(part.ids)));
    hash.add(std::as_bytes(std::span(part.weights)));
  }
}

}  // namespace posttrain
