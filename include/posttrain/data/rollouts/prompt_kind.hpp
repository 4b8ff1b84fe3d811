// SPDX-License-Identifier: Apache-2.0
// Prompts to be answered by the policy, as items (concepts/kind.hpp): their ids, and the record
// that a reward is computed from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain::data {

struct PromptItem {
  TokenIds ids;              // as inference sees them, at least one
  std::string answer;        // the record's gold answer; empty: it has none
  std::string record;        // the whole record, JSON
  std::string messages;      // the conversation so far, JSON; empty: the prompt is a text
  std::string inputs;        // of the template beside them, JSON; empty: none
  std::int64_t sample = -1;  // index in the data source
};

struct PromptKind {
  using Item = PromptItem;
  using Batch = RolloutBatch;

  static std::int64_t tokens(const PromptItem& item) {
    return static_cast<std::int64_t>(item.ids.size());
  }
  static std::int64_t length(const PromptItem& item) { return tokens(item); }
  static std::int64_t counted(const PromptItem&) { return 1; }
  /// A prompt is never cut: another one would be answered.
  static bool truncate(PromptItem&, std::int64_t) { return false; }
  /// The ids, then the texts as their bytes.
  static std::vector<Sequence> parts(const PromptItem& item) {
    std::vector<Sequence> all{{item.ids, std::vector<float>(item.ids.size()), item.sample}};
    for (const std::string* text : {&item.answer, &item.record, &item.messages, &item.inputs}) {
      Sequence bytes;
      for (const char c : *text) bytes.ids.push_back(static_cast<unsigned char>(c));
      bytes.weights.resize(bytes.ids.size());
      all.push_back(bytes);
    }
    return all;
  }
  static PromptItem from_parts(std::vector<Sequence> parts) {
    PromptItem item{std::move(parts.at(0).ids), {}, {}, {}, {}, parts.at(0).sample};
    std::size_t part = 1;
    for (std::string* text : {&item.answer, &item.record, &item.messages, &item.inputs}) {
      for (const TokenId byte : parts.at(part).ids) text->push_back(static_cast<char>(byte));
      ++part;
    }
    return item;
  }
};

}  // namespace posttrain::data
