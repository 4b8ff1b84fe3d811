// SPDX-License-Identifier: Apache-2.0
// Requirements on a data policy, and on a stream of its own.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/concepts/gives.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

/// Loads tokenized sequences; the library samples, packs and batches them.
template <class D>
concept LoadsSequences = requires(const D& policy, const data::LoadContext& context) {
  { policy.load(context) } -> std::same_as<data::LoadedData>;
};

/// Loads tokenized items of another kind (concepts/kind.hpp).
template <class D>
concept LoadsItems = requires(const D& policy, const data::LoadContext& context) {
  policy.load(context);
  { policy.kind() } -> ItemKind;
};

/// Makes its batches itself: names their type and opens a stream of optimizer steps.
template <class D>
concept OpensStream = requires(const D& policy, const data::LoadContext& context) {
  typename D::Batch;
  policy.open(context, std::int64_t{});
};

template <class D>
using StreamOf = decltype(std::declval<const D&>().open(std::declval<const data::LoadContext&>(),
                                                        std::int64_t{}));

/// A stream as the trainer reads it (data/pipeline/stream.hpp).
template <class S, class B>
concept StreamsBatches = requires(S& stream, const S& constant,
                                  const data::SamplerPosition& position) {
  { stream.next() } -> Gives<std::optional<std::vector<B>>>;
  { stream.position() } -> Gives<data::SamplerPosition>;
  stream.seek(position);
  { stream.steps_per_epoch() } -> std::convertible_to<std::int64_t>;
  { stream.at_epoch_end() } -> std::convertible_to<bool>;
  { stream.has_validation() } -> std::convertible_to<bool>;
  { stream.validation() } -> Gives<std::vector<B>>;
  { constant.report() } -> Gives<data::DataReport>;
};

template <class D>
struct BatchOfData {
  using type = TokenBatch;
};
template <LoadsItems D>
struct BatchOfData<D> {
  using type = typename decltype(std::declval<const D&>().kind())::Batch;
};
template <OpensStream D>
struct BatchOfData<D> {
  using type = typename D::Batch;
};

}  // namespace posttrain
