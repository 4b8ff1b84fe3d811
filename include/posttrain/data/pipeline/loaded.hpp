// SPDX-License-Identifier: Apache-2.0
// What goes into a data policy's `load` and what comes out; the pipeline is in
// data/pipeline/loading.hpp.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/data/pipeline/report.hpp"
#include "posttrain/data/pipeline/sequence_store.hpp"

namespace posttrain::text {
class ChatTokenizer;
}

namespace posttrain::data {

/// What the run knows and a data policy needs.
struct LoadContext {
  const text::ChatTokenizer* text = nullptr;  // unused by tokenised data
  std::int64_t max_seq_len = 0;               // in tokens; 0: no limit
  bool truncate = false;                      // cut longer sequences instead of dropping them
  std::int64_t max_tokens_per_batch = 0;      // no sequence may be longer; 0: not checked here
  std::uint64_t seed = 0;                     // of the validation split
};

/// One of the sources that a mixture draws from: the next `sequences` of the training data.
struct MixturePart {
  std::int64_t sequences = 0;
  double share = 1.0;  // of an epoch's draws; the shares of all parts add up to 1
};

struct LoadedData {
  SequenceStore train{};
  SequenceStore validation{};
  DataReport report{};
  std::vector<MixturePart> parts{};  // empty: no mixture
  std::int64_t epoch_size = 0;       // draws of an epoch of a mixture; 0: as many as sequences
};

/// The same of items that are kept in memory (pairs, judged answers, solutions in steps).
template <class Item>
struct LoadedItems {
  std::vector<Item> train{};
  std::vector<Item> validation{};
  DataReport report{};
  std::vector<MixturePart> parts{};
  std::int64_t epoch_size = 0;
};

/// The fields that every data policy has, as the pipeline takes them.
struct SourceOptions {
  std::string_view path{};
  bool skip_bad_samples = false;
  double validation_split = 0.0;       // share of the samples, in [0, 1)
  std::string_view validation_path{};  // or a source of its own
  bool deduplicate = false;            // drop samples with the tokens of an earlier one
  std::string_view cache_dir{};        // folder for token sequences; empty: kept in memory
};

constexpr void validate_source(const SourceOptions& options) {
  if (options.path.empty()) fail("posttrain: the data's path must not be empty");
  if (!(options.validation_split >= 0.0 && options.validation_split < 1.0)) {
    fail("posttrain: validation_split must be in [0, 1)");
  }
  if (options.validation_split > 0.0 && !options.validation_path.empty()) {
    fail("posttrain: set validation_split or validation_path, not both");
  }
}

}  // namespace posttrain::data
