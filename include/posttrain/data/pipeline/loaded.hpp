// SPDX-License-Identifier: Apache-2.0
// Arguments and result of a data policy's `load`; the pipeline is in data/pipeline/loading.hpp.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/data/pipeline/report.hpp"
#include "posttrain/data/pipeline/sequence_store.hpp"

namespace posttrain {
class Communicator;
}
namespace posttrain::text {
class ChatTokenizer;
}

namespace posttrain::data {

/// The run's part in loading: what a data policy needs of the model and of Options, which applies
/// to every policy alike.
struct LoadContext {
  const text::ChatTokenizer* text = nullptr;  // unused by tokenized data
  std::int64_t max_seq_len = 0;               // in tokens; 0: no limit
  bool truncate = false;                      // cut longer items instead of dropping them
  std::int64_t max_tokens_per_batch = 0;      // no item may be longer; 0: not checked here
  Communicator* ranks = nullptr;              // who shares the work; null: one process
  std::uint64_t seed = 0;                     // of the validation split
  double validation_split = 0.0;              // share of the samples, in [0, 1)
  bool skip_bad_samples = false;              // count malformed samples instead of stopping
  bool deduplicate = false;                   // drop (and count) samples that repeat an earlier one
  std::string_view cache_dir{};               // folder for what was tokenized; empty: in memory

  constexpr void validate() const {
    if (max_seq_len < 0) fail("posttrain: max_seq_len must not be negative");
    if (!(validation_split >= 0.0 && validation_split < 1.0)) {
      fail("posttrain: validation_split must be in [0, 1)");
    }
  }
};

/// Where a data policy's samples come from.
struct Source {
  std::string_view path{};
  std::string_view validation_path{};  // a source of its own, instead of a validation_split

  constexpr void validate() const {
    if (path.empty()) fail("posttrain: the data's path must not be empty");
  }
};

/// One of the sources that a mixture draws from: the next `sequences` of the training data.
struct MixturePart {
  std::int64_t sequences = 0;
  double share = 1.0;  // of an epoch's draws; the shares of all parts add up to 1
};

/// Items as a stream draws them (data/pipeline/stream.hpp), with what became of the samples.
template <class Store>
struct Loaded {
  Store train{};
  Store validation{};
  DataReport report{};
  std::vector<MixturePart> parts{};  // empty: no mixture
  std::int64_t epoch_size = 0;       // draws of an epoch of a mixture; 0: as many as items
};

/// Sequences, in memory or in a mapped file.
using LoadedData = Loaded<SequenceStore>;

/// Items of another kind (pairs, answers, solutions in steps), kept in memory.
template <class Item>
using LoadedItems = Loaded<std::vector<Item>>;

namespace detail {
template <class Item>
struct LoadedOf {
  using type = LoadedItems<Item>;
};
template <>
struct LoadedOf<Sequence> {
  using type = LoadedData;
};
}  // namespace detail

/// Result of loading items of a kind (concepts/kind.hpp).
template <class Kind>
using LoadedOf = typename detail::LoadedOf<typename Kind::Item>::type;

}  // namespace posttrain::data
