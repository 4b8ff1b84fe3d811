// SPDX-License-Identifier: Apache-2.0
// Data that is already token ids: JSON Lines of {"input_ids": [...], "labels": [...]}.
//
// As in transformers, labels[i] belongs to input_ids[i]: it equals it where the loss is to score
// that token, and is -100 where not; without labels every token is scored. "weights" (optional)
// gives the weight of predicting each token. What a "completion_mask", "assistant_masks" (TRL's
// columns) or "loss_mask" has a 0 for is not scored. The first token is never scored. Padding that
// an "attention_mask" names is left out; it and "position_ids" may say nothing else.
#pragma once

#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

/// The sequence of one sample; throws for what does not fit the description above.
Sequence tokenized_sequence(const Json& sample);

namespace detail {
LoadedData load_tokenized(const Source& source, const LoadContext& context);
}

}  // namespace posttrain::data

namespace posttrain {

struct Tokenized {
  LiteralString path{};
  LiteralString validation_path{};  // a source of its own, instead of Options::validation_split

  constexpr void validate() const { source().validate(); }

  data::LoadedData load(const data::LoadContext& context) const {
    return data::detail::load_tokenized(source(), context);
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/tokenized.ipp"
#endif
