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
#include "posttrain/data/formats/tool_nulls.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {
LoadedData load_messages(const Source& source, const LoadContext& context, text::Turns turns,
                         bool unmask, const CallOptions& calls);
}

}  // namespace posttrain::data

namespace posttrain {

struct Messages {
  LiteralString path{};  // a file or a folder of files (data/formats/reader.hpp)
  text::Turns turns = text::Turns::all;
  bool unmask = false;              // score user and tool messages too (never the system's)
  bool parse_arguments = true;      // calls' texts as objects, where the template wants those
  bool drop_nulls = false;          // leave null fields out of calls and schemas of tools
  LiteralString validation_path{};  // a source of its own, instead of Options::validation_split

  constexpr void validate() const { source().validate(); }

  data::LoadedData load(const data::LoadContext& context) const {
    return data::detail::load_messages(source(), context, turns, unmask,
                                       {parse_arguments, drop_nulls});
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/messages.ipp"
#endif
