// SPDX-License-Identifier: Apache-2.0
// Conversations: JSON Lines of {"messages": [{"role": …, "content": …}, …], "tools"?, "unmask"?}.
//
// The model's own chat template makes the text; the loss scores what the assistant wrote, each
// turn's terminator included (text/chat_tokenizer.hpp). A conversation without an assistant turn
// trains nothing: it is dropped and counted, not an error (unless all are like that).
#pragma once

#include "posttrain/core/literal_string.hpp"
#include "posttrain/data/loading.hpp"
#include "posttrain/data/packing.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

/// Well-formed, but nobody answers and nothing unmasks the other turns.
inline bool has_no_assistant(const Json& sample) {
  const auto messages = sample.find("messages");
  if (messages == sample.end() || !messages->is_array() || messages->empty()) return false;
  for (const Json& message : *messages) {
    const auto role = message.is_object() ? message.find("role") : message.end();
    if (role == message.end() || !role->is_string() || *role == "assistant") return false;
  }
  const auto unmask = sample.find("unmask");
  return unmask == sample.end() || *unmask != true;
}

}  // namespace detail

template <class Packer = FirstFitDecreasing>
struct BasicMessages {
  LiteralString path{};
  text::Turns turns = text::Turns::all;
  bool unmask = false;            // score user and tool messages too (never the system's)
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  LoadedData load(const LoadContext& context) const {
    if (context.text == nullptr) {
      fail("Messages needs a tokenizer; hint: the model's folder must hold a tokenizer.json");
    }
    return load_samples(source(), context, json_samples, [&](const Json& sample) {
      if (!unmask && sample.is_object() && detail::has_no_assistant(sample)) {
        return std::vector<Sequence>(1);  // nothing to score: the pipeline counts it
      }
      return context.text->training_sequences(sample, turns, unmask);
    });
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view()};
  }
};

using Messages = BasicMessages<>;

}  // namespace posttrain::data
