// SPDX-License-Identifier: Apache-2.0
// Data that is already token ids: JSON Lines of {"input_ids": [...], "labels": [...]}.
//
// As in transformers, labels[i] belongs to input_ids[i]: it equals it where the loss is to score
// that token, and is -100 where not; without labels every token is scored. "weights" (optional)
// gives the weight of predicting each token. The first token is never scored. "attention_mask" and
// other keys are ignored: masks come from lengths.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/packing.hpp"

namespace posttrain::data {

/// The sequence of one sample; throws for what does not fit the description above.
Sequence tokenized_sequence(const nlohmann::ordered_json& sample);

namespace detail {
LoadedData load_tokenized(const SourceOptions& options, const LoadContext& context);
}

template <class Packer = FirstFitDecreasing>
struct BasicTokenized {
  LiteralString path{};
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  bool deduplicate = false;   // drop (and count) samples that repeat an earlier one's tokens
  LiteralString cache_dir{};  // keep the token sequences in this folder and find them next time
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  LoadedData load(const LoadContext& context) const {
    return detail::load_tokenized(source(), context);
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view(),
            deduplicate, cache_dir.view()};
  }
};

using Tokenized = BasicTokenized<>;

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/tokenized.ipp"
#endif
