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
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/data.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

namespace detail {

inline std::vector<MixturePart> joined_parts(const LoadedData& first, const LoadedData& second,
                                             double second_share) {
  std::vector<MixturePart> all;
  const auto add = [&](const LoadedData& from, double share) {
    if (from.parts.empty()) {
      all.push_back({static_cast<std::int64_t>(from.train.size()), share});
    }
    for (const MixturePart& part : from.parts) all.push_back({part.sequences, part.share * share});
  };
  add(first, 1.0 - second_share);
  add(second, second_share);
  return all;
}

}  // namespace detail

/// Puts `other` beside `data`: `second_share` of an epoch's draws are its own.
inline void mix(LoadedData& data, const LoadedData& other, double second_share) {
  data.parts = detail::joined_parts(data, other, second_share);
  data.train.append(other.train, data.report.read);
  data.validation.append(other.validation, data.report.read);
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
