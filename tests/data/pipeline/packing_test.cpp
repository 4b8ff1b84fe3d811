// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/packing.hpp"

#include <string>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"

using posttrain::Philox4x32;
using posttrain::data::FirstFitDecreasing;
using posttrain::data::NoPacking;
using posttrain::data::Packs;

namespace {

using Lengths = std::vector<std::int64_t>;

/// The same packing in the obvious O(n²) way.
Packs slow_first_fit_decreasing(const Lengths& lengths, std::int64_t max_tokens) {
  Lengths order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = 1; i < order.size(); ++i) {  // insertion sort: stable
    for (std::size_t j = i; j > 0 && lengths[static_cast<std::size_t>(order[j - 1])] <
                                         lengths[static_cast<std::size_t>(order[j])];
         --j) {
      std::swap(order[j - 1], order[j]);
    }
  }
  Packs packs;
  Lengths used;
  for (const auto index : order) {
    const std::int64_t length = lengths[static_cast<std::size_t>(index)];
    std::size_t bin = 0;
    while (bin < packs.size() && used[bin] + length > max_tokens) ++bin;
    if (bin == packs.size()) {
      packs.emplace_back();
      used.push_back(0);
    }
    packs[bin].push_back(index);
    used[bin] += length;
  }
  return packs;
}

}  // namespace

TEST_CASE("first fit decreasing packs as by hand") {
  CHECK(FirstFitDecreasing{}.pack(Lengths{3, 7, 5, 5, 2, 8}, 10) == Packs{{5, 4}, {1, 0}, {2, 3}});
  CHECK(FirstFitDecreasing{}.pack(Lengths{}, 10).empty());
  CHECK(FirstFitDecreasing{}.pack(Lengths{10}, 10) == Packs{{0}});
  CHECK(FirstFitDecreasing{}.pack(Lengths{1, 1, 1}, 3) == Packs{{0, 1, 2}});
}

TEST_CASE("first fit decreasing equals the slow reference on random lengths") {
  Philox4x32 rng(11);
  for (int round = 0; round < 60; ++round) {
    Lengths lengths(rng.below(70));
    for (auto& length : lengths) length = 1 + static_cast<std::int64_t>(rng.below(40));
    const std::int64_t max_tokens = 40 + static_cast<std::int64_t>(rng.below(60));
    REQUIRE(FirstFitDecreasing{}.pack(lengths, max_tokens) ==
            slow_first_fit_decreasing(lengths, max_tokens));
  }
}

TEST_CASE("a hundred thousand sequences are packed at once, tightly") {
  Philox4x32 rng(12);
  Lengths lengths(100000);
  for (auto& length : lengths) length = 1 + static_cast<std::int64_t>(rng.below(2048));
  const std::int64_t total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  const Packs packs = FirstFitDecreasing{}.pack(lengths, 4096);
  CHECK(static_cast<double>(packs.size()) < 1.01 * static_cast<double>(total) / 4096 + 1);
}

TEST_CASE("without packing every sequence is alone") {
  CHECK(NoPacking{}.pack(Lengths{3, 1}, 3) == Packs{{0}, {1}});
}

TEST_CASE("a sequence that fits no micro-batch is an error with its length") {
  const auto message = [](const auto& packer, const Lengths& lengths, std::int64_t max_tokens) {
    try {
      packer.pack(lengths, max_tokens);
    } catch (const posttrain::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(FirstFitDecreasing{}, {3, 11}, 10).starts_with("sequence 1 has 11 tokens"));
  CHECK(message(NoPacking{}, {3, 0}, 10).starts_with("sequence 1 has 0 tokens"));
  CHECK(message(NoPacking{}, {3}, 0).starts_with("max_tokens_per_batch must be at least 1"));
}
