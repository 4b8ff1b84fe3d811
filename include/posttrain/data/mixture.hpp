// SPDX-License-Identifier: Apache-2.0
// Two data policies drawn from in given proportions; nested, any number of them:
//
//   Mixture{Messages{.path = "chats.jsonl"}, Documents{.path = "books"}, 0.25}
//   Mixture{Mixture{a, b, 0.5}, c, 0.1}
//
// An epoch draws exactly the share of each source (rounded to whole sequences); a source that is
// too small for its share is gone through again, in a new order, and one that is too large
// continues in the next epoch where it stopped. So no sequence comes twice before all of its source
// have come. The draws of an epoch follow from (seed, epoch) alone. (datasets' interleave_datasets
// draws each source at random and stops where one ends.)
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/data.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

namespace detail {

template <class Store>
std::vector<MixturePart> joined_parts(const Loaded<Store>& first, const Loaded<Store>& second,
                                      double second_share) {
  std::vector<MixturePart> all;
  const auto add = [&](const Loaded<Store>& from, double share) {
    if (from.parts.empty()) {
      all.push_back({static_cast<std::int64_t>(from.train.size()), share});
    }
    for (const MixturePart& part : from.parts) all.push_back({part.sequences, part.share * share});
  };
  add(first, 1.0 - second_share);
  add(second, second_share);
  return all;
}

/// Puts items behind others; their samples are counted on from `first_sample`.
inline void append(SequenceStore& store, const SequenceStore& more, std::int64_t first_sample) {
  store.append(more, first_sample);
}
template <class Item>
void append(std::vector<Item>& store, const std::vector<Item>& more, std::int64_t first_sample) {
  for (Item item : more) {
    item.sample += first_sample;
    store.push_back(std::move(item));
  }
}

}  // namespace detail

/// Puts `other` beside `data`: `second_share` of an epoch's draws are its own.
template <class Store>
void mix(Loaded<Store>& data, const Loaded<Store>& other, double second_share) {
  data.parts = detail::joined_parts(data, other, second_share);
  detail::append(data.train, other.train, data.report.read);
  detail::append(data.validation, other.validation, data.report.read);
  data.report.merge(other.report);
}

}  // namespace posttrain::data

namespace posttrain {

template <class First, class Second>
struct Mixture {
  First first{};
  Second second{};
  double second_share = 0.5;    // of an epoch's sequences, in (0, 1)
  std::int64_t epoch_size = 0;  // sequences drawn in an epoch; 0: as many as all sources have

  constexpr void validate() const {
    if (!(second_share > 0.0 && second_share < 1.0)) {
      fail("posttrain: Mixture.second_share must be in (0, 1)");
    }
    if (epoch_size < 0) fail("posttrain: Mixture.epoch_size must not be negative");
    if constexpr (requires { first.validate(); }) first.validate();
    if constexpr (requires { second.validate(); }) second.validate();
  }

  data::LoadedData load(const data::LoadContext& context) const {
    static_assert(LoadsSequences<First> && LoadsSequences<Second>,
                  "posttrain: a Mixture needs data policies that load sequences");
    validate();
    data::LoadedData data = first.load(context);
    const data::LoadedData other = second.load(context);
    if (data.epoch_size != 0 || other.epoch_size != 0) {
      fail("only the outermost Mixture can have an epoch_size");
    }
    data::mix(data, other, second_share);
    data.epoch_size = epoch_size;
    return data;
  }
};

template <class First, class Second>
Mixture(First, Second, double) -> Mixture<First, Second>;
template <class First, class Second>
Mixture(First, Second, double, std::int64_t) -> Mixture<First, Second>;

}  // namespace posttrain
