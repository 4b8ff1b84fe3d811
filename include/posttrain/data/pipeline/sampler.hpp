// SPDX-License-Identifier: Apache-2.0
// The sampler: sequences of each optimizer step, and how a step falls into micro-batches.
//
// Every epoch has its own seeded permutation, a pure function of (seed, epoch): seeking costs one
// permutation and the order after a resume is the order without it. A step is
// `effective_batch_size` sequences whatever the packing; only the micro-batches depend on it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/data/pipeline/epoch_order.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/packing.hpp"

namespace posttrain::data {

struct SamplerOptions {
  std::int64_t effective_batch_size = 1;  // sequences per optimizer step
  std::int64_t max_tokens_per_batch = 0;  // tokens of one micro-batch
  std::int64_t ranks = 1;                 // processes that share a step's micro-batches
  std::uint64_t seed = 0;
  bool drop_last = false;  // leave out an epoch's last step if it is not full
  bool shuffle = true;
  std::vector<MixturePart> parts{};  // of a mixture, in the order of the sequences; empty: none
  std::int64_t epoch_size = 0;       // draws of a mixture's epoch; 0: as many as sequences
};

/// The place of the next step.
struct SamplerPosition {
  std::int64_t epoch = 0;
  std::int64_t step = 0;  // within the epoch
  friend constexpr bool operator==(const SamplerPosition&, const SamplerPosition&) = default;
};

template <class Packer = FirstFitDecreasing>
class StepSampler {
 public:
  /// An optimizer step: micro-batches of sequence indices.
  using Step = Packs;

  /// `lengths[i]`: tokens of sequence i. All of them must fit a micro-batch.
  StepSampler(std::vector<std::int64_t> lengths, const SamplerOptions& options, Packer packer = {})
      : lengths_(std::move(lengths)),
        options_(options),
        packer_(std::move(packer)),
        epochs_(num_sequences(), options.seed, kOrderStream, options.parts, options.epoch_size) {
    if (options_.effective_batch_size < 1) {
      raise("effective_batch_size must be at least 1, got {}", options_.effective_batch_size);
    }
    if (lengths_.empty()) fail("expected at least one sequence to draw from, got none");
    check_lengths(lengths_, options_.max_tokens_per_batch);
    if (steps_per_epoch() == 0) {
      raise(
          "{} sequences do not fill one step of effective_batch_size = {}; hint: drop_last = "
          "false, or a smaller batch",
          lengths_.size(), options_.effective_batch_size);
    }
    order_ = epoch_order(0);
  }

  std::int64_t num_sequences() const { return static_cast<std::int64_t>(lengths_.size()); }

  /// Sequences that an epoch draws.
  std::int64_t epoch_size() const { return epochs_.size(); }

  std::int64_t steps_per_epoch() const {
    const std::int64_t size = options_.effective_batch_size;
    return options_.drop_last ? epoch_size() / size : (epoch_size() + size - 1) / size;
  }

  /// The next optimizer step; nothing at the end of an epoch, after which the next one begins.
  std::optional<Step> next() {
    if (position_.step == steps_per_epoch()) {
      seek({position_.epoch + 1, 0});
      return std::nullopt;
    }
    const std::int64_t begin = position_.step * options_.effective_batch_size;
    const std::int64_t size = std::min(options_.effective_batch_size, epoch_size() - begin);
    const std::span<const std::int64_t> chosen(order_.data() + begin,
                                               static_cast<std::size_t>(size));
    std::vector<std::int64_t> lengths;
    for (const std::int64_t index : chosen) {
      lengths.push_back(lengths_[static_cast<std::size_t>(index)]);
    }
    Step step = pack_for_ranks(packer_, lengths, options_.max_tokens_per_batch, options_.ranks);
    for (auto& micro_batch : step) {
      for (std::int64_t& index : micro_batch) index = chosen[static_cast<std::size_t>(index)];
    }
    ++position_.step;
    return step;
  }

  SamplerPosition position() const { return position_; }

  /// Makes the step at `position` the next one. `{epoch, steps_per_epoch()}` is the epoch's end.
  void seek(SamplerPosition position) {
    if (position.epoch < 0 || position.step < 0 || position.step > steps_per_epoch()) {
      raise(
          "expected a position of at most step {} in an epoch, got epoch {}, step {}; hint: was "
          "the checkpoint made with other data or another effective_batch_size?",
          steps_per_epoch(), position.epoch, position.step);
    }
    if (position.epoch != position_.epoch) order_ = epoch_order(position.epoch);
    position_ = position;
  }

 private:
  std::vector<std::int64_t> epoch_order(std::int64_t epoch) const {
    std::vector<std::int64_t> order(static_cast<std::size_t>(epoch_size()));
    if (options_.shuffle || !options_.parts.empty()) {
      std::ranges::transform(epochs_.draws(epoch), order.begin(), &Draw::record);
    } else {
      std::iota(order.begin(), order.end(), std::int64_t{0});
    }
    return order;
  }

  static constexpr std::uint64_t kOrderStream = 0x6f72646572;  // "order"

  std::vector<std::int64_t> lengths_;
  SamplerOptions options_;
  Packer packer_;
  EpochOrder epochs_;
  std::vector<std::int64_t> order_;
  SamplerPosition position_;
};

}  // namespace posttrain::data
