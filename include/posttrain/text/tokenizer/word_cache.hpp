// SPDX-License-Identifier: Apache-2.0
// Remembers the ids of words: natural text repeats them. Bounded; each thread that encodes has its
// own (`CachePool`), so that looking up takes no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain::text {

class WordCache {
 public:
  static constexpr std::size_t kLongestWord = 64;  // bytes; longer ones hardly repeat

  /// Appends the ids of `word`, computing them by `encode(word, ids)` when they are new.
  template <class Encode>
  void get(std::string_view word, TokenIds& out, Encode&& encode) {
    if (word.size() > kLongestWord) {
      encode(word, out);
      return;
    }
    const std::uint64_t hash = hash_of(word);
    std::size_t at = hash & (slots_.size() - 1);
    for (; slots_[at].used; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.hash != static_cast<std::uint32_t>(hash >> 32U) || slot.size != word.size() ||
          std::memcmp(bytes_.data() + slot.word, word.data(), word.size()) != 0) {
        continue;
      }
      if (slot.count == 1) {
        out.push_back(slot.first);
      } else {
        const auto begin = ids_.begin() + slot.first;
        out.insert(out.end(), begin, begin + slot.count);
      }
      return;
    }
    const std::size_t start = out.size();
    encode(word, out);
    remember(word, hash, at, out, start);
  }

 private:
  static constexpr std::size_t kMostWords = 1U << 16U;
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t word = 0;  // place of its bytes
    std::int32_t first = 0;  // the id, or the place of several
    std::uint8_t size = 0;   // of the word
    std::uint8_t count = 0;  // of ids
    bool used = false;
  };

  static std::uint64_t hash_of(std::string_view word) {
    std::uint64_t hash = word.size();
    std::size_t i = 0;
    for (; i + 8 <= word.size(); i += 8) {
      std::uint64_t part = 0;
      std::memcpy(&part, word.data() + i, 8);
      hash = mix(hash ^ part);
    }
    std::uint64_t part = 0;
    std::memcpy(&part, word.data() + i, word.size() - i);
    return mix(hash ^ part);
  }
  static std::uint64_t mix(std::uint64_t x) {
    x *= 0x9E3779B97F4A7C15ULL;
    return x ^ x >> 29U;
  }

  void remember(std::string_view word, std::uint64_t hash, std::size_t at, const TokenIds& ids,
                std::size_t start) {
    if (2 * (used_ + 1) > slots_.size()) {
      if (slots_.size() < 2 * kMostWords) {
        grow();
      } else {
        clear();
      }
      for (at = hash & (slots_.size() - 1); slots_[at].used; at = (at + 1) & (slots_.size() - 1)) {
      }
    }
    Slot slot;
    slot.hash = static_cast<std::uint32_t>(hash >> 32U);
    slot.word = static_cast<std::uint32_t>(bytes_.size());
    slot.size = static_cast<std::uint8_t>(word.size());
    slot.count = static_cast<std::uint8_t>(ids.size() - start);  // at most one id per byte
    slot.used = true;
    bytes_ += word;
    if (slot.count == 1) {
      slot.first = ids[start];
    } else {
      slot.first = static_cast<std::int32_t>(ids_.size());
      ids_.insert(ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(start), ids.end());
    }
    slots_[at] = slot;
    ++used_;
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 4);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (!slot.used) continue;
      std::size_t at =
          hash_of(std::string_view(bytes_).substr(slot.word, slot.size)) & (slots_.size() - 1);
      while (slots_[at].used) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  void clear() {
    slots_.assign(slots_.size(), Slot{});
    bytes_.clear();
    ids_.clear();
    used_ = 0;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1U << 11U);
  std::string bytes_;
  TokenIds ids_;
  std::size_t used_ = 0;
};

/// As many caches as threads encode at the same time.
class CachePool {
 public:
  /// A cache of the caller's own until it goes out of scope.
  class Lease {
   public:
    explicit Lease(CachePool& pool) : pool_(pool), cache_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(cache_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    WordCache& operator*() const { return *cache_; }

   private:
    CachePool& pool_;
    std::unique_ptr<WordCache> cache_;
  };

 private:
  std::unique_ptr<WordCache> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<WordCache>();
    auto cache = std::move(free_.back());
    free_.pop_back();
    return cache;
  }
  void give_back(std::unique_ptr<WordCache> cache) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(cache));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> free_;
};

}  // namespace posttrain::text
