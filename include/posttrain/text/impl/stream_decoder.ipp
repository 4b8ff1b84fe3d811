// SPDX-License-Identifier: Apache-2.0
// Definitions of stream_decoder.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/text/stream_decoder.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE std::string StreamDecoder::take(bool all) {
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

}  // namespace posttrain::text
