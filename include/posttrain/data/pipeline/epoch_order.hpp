// SPDX-License-Identifier: Apache-2.0
// In which order an epoch draws its records: each once, in an order of (seed, epoch); or, of a
// mixture, as many of each part as its share says.
//
// A part is gone through in permutations of its own, one pass after the other across epochs, so
// that none of its records comes again before all have come; the draws of an epoch are shuffled.
// Every epoch is a pure function of (seed, epoch): seeking costs one permutation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

/// A record, and how often its part was gone through before: the epoch, without a mixture. No
/// record is drawn twice in a pass.
struct Draw {
  std::int64_t record = 0;
  std::int64_t pass = 0;
  friend constexpr bool operator==(const Draw&, const Draw&) = default;
};

class EpochOrder {
 public:
  /// `stream` keys the order beside the seed. `parts`: of a mixture, in the order of the records;
  /// empty: none. `epoch_size`: draws of an epoch of a mixture; 0: as many as records.
  EpochOrder(std::int64_t records, std::uint64_t seed, std::uint64_t stream,
             std::vector<MixturePart> parts = {}, std::int64_t epoch_size = 0)
      : records_(records),
        size_(!parts.empty() && epoch_size > 0 ? epoch_size : records),
        seed_(seed),
        stream_(stream),
        parts_(std::move(parts)) {
    if (!parts_.empty()) divide_draws();
  }

  /// Draws of an epoch.
  std::int64_t size() const { return size_; }

  std::vector<Draw> draws(std::int64_t epoch) const {
    std::vector<Draw> all;
    all.reserve(static_cast<std::size_t>(size_));
    const auto stream = mix_streams(stream_, static_cast<std::uint64_t>(epoch));
    if (parts_.empty()) {
      for (const std::int64_t record : permutation(records_, seed_, stream)) {
        all.push_back({record, epoch});
      }
      return all;
    }
    std::int64_t first = 0;  // record of the part
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const std::int64_t size = parts_[p].sequences;
      std::vector<std::int64_t> order;
      std::int64_t known = -1;  // pass whose order that is
      for (std::int64_t j = 0; j < draws_[p]; ++j) {
        const std::int64_t draw = epoch * draws_[p] + j, pass = draw / size;
        if (pass != known) {
          order = permutation(
              size, seed_,
              mix_streams(mix_streams(kPartStream, p), static_cast<std::uint64_t>(pass)));
          known = pass;
        }
        all.push_back({first + order[static_cast<std::size_t>(draw % size)], pass});
      }
      first += size;
    }
    Philox4x32 rng(seed_, stream);
    posttrain::shuffle(all, rng);
    return all;
  }

 private:
  /// How many of an epoch's draws each part gets: its share, by largest remainders.
  void divide_draws() {
    std::int64_t records = 0, left = size_;
    std::vector<std::pair<double, std::size_t>>
        remainders;  // negative, so that the largest sort first
    for (const MixturePart& part : parts_) {
      const double exact = part.share * static_cast<double>(size_);
      draws_.push_back(static_cast<std::int64_t>(exact));
      remainders.emplace_back(static_cast<double>(draws_.back()) - exact, draws_.size() - 1);
      records += part.sequences;
      left -= draws_.back();
    }
    if (records != records_) {
      raise("the parts of the mixture have {} sequences, expected {}", records, records_);
    }
    std::sort(remainders.begin(), remainders.end());
    for (std::size_t i = 0; left > 0; i = (i + 1) % draws_.size(), --left) {
      ++draws_[remainders[i].second];
    }
  }

  static constexpr std::uint64_t kPartStream = 0x70617274;  // "part"

  std::int64_t records_, size_;
  std::uint64_t seed_, stream_;
  std::vector<MixturePart> parts_;
  std::vector<std::int64_t> draws_{};  // of each part, in an epoch
};

}  // namespace posttrain::data
