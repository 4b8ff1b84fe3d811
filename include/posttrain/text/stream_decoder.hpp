// SPDX-License-Identifier: Apache-2.0
// Text of a growing sequence of ids, piece by piece, without ever cutting a character in two.
//
// A window of recent ids is decoded with and without the new one; what is new is handed out once it
// no longer ends in U+FFFD, the mark of an unfinished character.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/text/tokenizer.hpp"

namespace posttrain::text {

class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens = false)
      : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

  /// The text that `id` completes; empty while a character is unfinished.
  std::string push(TokenId id) {
    ids_.push_back(id);
    return take(false);
  }

  /// What is left at the end: an unfinished character comes out as U+FFFD.
  std::string finish() { return take(true); }

 private:
  std::string take(bool all) {
    const std::span<const TokenId> ids(ids_);
    const std::string before = tokenizer_.decode(ids.subspan(0, shown_), skip_special_tokens_);
    const std::string now = tokenizer_.decode(ids, skip_special_tokens_);
    if (now.size() <= before.size()) return {};
    if (!all && std::string_view(now).ends_with("\uFFFD")) return {};
    // The last shown id stays as context: a decoder may treat the first token of a text apart.
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(shown_));
    shown_ = ids_.size();
    return now.substr(before.size());
  }

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  TokenIds ids_;
  std::size_t shown_ = 0;  // ids of the window that are out already
};

}  // namespace posttrain::text
