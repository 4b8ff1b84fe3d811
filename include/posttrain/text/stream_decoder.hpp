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

  /// The text that is left at the end: an unfinished character comes out as U+FFFD.
  std::string finish() { return take(true); }

 private:
  std::string take(bool all);

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  TokenIds ids_;
  std::size_t shown_ = 0;  // ids of the window that are out already
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/stream_decoder.ipp"
#endif
