// SPDX-License-Identifier: Apache-2.0
// Remembers the ids of pre-tokens: natural text repeats its words. Bounded, and safe for use by
// several threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "posttrain/core/sequence.hpp"

namespace posttrain::text {

class WordCache {
 public:
  static constexpr std::size_t kLongestWord = 128;  // bytes; longer ones hardly repeat

  /// Appends the ids of `word`, computing them by `encode(word, ids)` when they are new.
  template <class Encode>
  void get(std::string_view word, TokenIds& out, Encode&& encode) {
    if (word.size() > kLongestWord) {
      encode(word, out);
      return;
    }
    Shard& shard = shards_[std::hash<std::string_view>{}(word) % shards_.size()];
    {
      const std::lock_guard lock(shard.mutex);
      const auto found = shard.ids.find(word);
      if (found != shard.ids.end()) {
        out.insert(out.end(), found->second.begin(), found->second.end());
        return;
      }
    }
    TokenIds fresh;
    encode(word, fresh);
    out.insert(out.end(), fresh.begin(), fresh.end());
    const std::lock_guard lock(shard.mutex);
    if (shard.ids.size() >= kWordsPerShard) shard.ids.clear();
    shard.ids.emplace(std::string(word), std::move(fresh));
  }

 private:
  static constexpr std::size_t kWordsPerShard = 2048;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, TokenIds, Hash, std::equal_to<>> ids;
  };
  std::array<Shard, 32> shards_;
};

}  // namespace posttrain::text
