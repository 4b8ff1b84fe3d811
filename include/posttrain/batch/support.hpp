// SPDX-License-Identifier: Apache-2.0
// Which ids could be drawn at each place of a sample, where top-k, top-p or min-p cut the others
// off: what training scores the drawn one among. Host only.
//
// 4 bytes for each of them and 4 for each place: with top_k = k at most 4 (k + 1) bytes for a token
// (but for ties), with top-p or min-p alone up to 4 bytes for every id of the vocabulary where the
// distribution is flat.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain {

struct Support {
  std::vector<TokenId> ids;         // of all places, one place after another, each's ascending
  std::vector<std::int32_t> sizes;  // of each place; 0: nothing was cut off, or nothing drawn

  bool operator==(const Support&) const = default;

  void add(std::span<const TokenId> of_place) {
    ids.insert(ids.end(), of_place.begin(), of_place.end());
    sizes.push_back(static_cast<std::int32_t>(of_place.size()));
  }
  /// What `other` has, from place `first` on; places before that have nothing.
  void append(const Support& other, std::size_t first) {
    sizes.resize(first);
    ids.insert(ids.end(), other.ids.begin(), other.ids.end());
    sizes.insert(sizes.end(), other.sizes.begin(), other.sizes.end());
  }
};

}  // namespace posttrain
