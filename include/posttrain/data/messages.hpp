// SPDX-License-Identifier: Apache-2.0
// Conversations in any of the usual formats (data/formats/format.hpp): messages, ShareGPT, Alpaca,
// questions with answers, prompts with completions.
//
// The model's own chat template makes the text; the loss scores what the assistant wrote, each
// turn's terminator included (text/chat_tokenizer.hpp). Of a prompt with a completion only the
// completion is scored; two texts stay texts (data/pipeline/supervised.hpp). A conversation without
// an assistant turn trains nothing: it is dropped and counted, not an error (unless all are like
// that).
#pragma once

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {
LoadedData load_messages(const SourceOptions& options, const LoadContext& context,
                         text::Turns turns, bool unmask);
}

template <class Packer = FirstFitDecreasing>
struct BasicMessages {
  LiteralString path{};  // a file or a folder of files (data/formats/reader.hpp)
  text::Turns turns = text::Turns::all;
  bool unmask = false;            // score user and tool messages too (never the system's)
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  bool deduplicate = false;   // drop (and count) samples that repeat an earlier one's tokens
  LiteralString cache_dir{};  // keep the token sequences in this folder and find them next time
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  LoadedData load(const LoadContext& context) const {
    return detail::load_messages(source(), context, turns, unmask);
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view(),
            deduplicate, cache_dir.view()};
  }
};

using Messages = BasicMessages<>;

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/messages.ipp"
#endif
