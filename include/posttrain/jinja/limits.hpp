// SPDX-License-Identifier: Apache-2.0
// Bounds on the resources of a template. Templates are strangers' programs: every operation pays
// for the items and bytes that it reads or makes, texts and lists have a largest size, and all
// values together hold a bounded number of bytes.
//
// A step stands for some 20 to 50 ns. Values pay where they are made (`check_text`, `check_list`
// and `Held` in their constructors), so that only reading is left to operations (`spend_reading`,
// `spend_decoding`, `append`, jinja/search.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"

namespace posttrain::text::jinja {

inline constexpr std::int64_t kMostSteps = 100000000;  // in one rendering, whatever its data
inline constexpr std::int64_t kFreeSteps = 1000000;    // in one rendering, however small its data
inline constexpr std::int64_t kStepsPerByte = 200;     // of the data's values
inline constexpr std::int64_t kMostHeld = std::int64_t{128} << 20U;  // bytes of all values
inline constexpr std::size_t kLargestText = std::size_t{16} << 20U;  // bytes
inline constexpr std::size_t kLargestList = 1000000;                 // items
inline constexpr std::int64_t kLongestRange = 100000;                // as Jinja's sandbox
inline constexpr int kDeepestRun = 300;    // statements, expressions, calls
inline constexpr int kDeepestValue = 600;  // lists in lists …

/// Steps, bytes and levels that the rendering on this thread has spent, and the most steps and
/// bytes that it may. Outside of an account nothing is refused.
struct Budget {
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
  std::int64_t steps = 0;
  std::int64_t most = kUnlimited;
  std::int64_t held = 0;
  std::int64_t most_held = kUnlimited;
  int depth = 0;
};
inline Budget& budget() {
  static thread_local Budget spent;
  return spent;
}

/// The steps that a rendering may take whose data hold so many bytes: a template that is slow on
/// small samples is stopped early, so that many of them do not take forever either.
inline std::int64_t steps_for_data(std::int64_t bytes) {
  const std::int64_t more = (kMostSteps - kFreeSteps) / kStepsPerByte;
  return kFreeSteps + kStepsPerByte * std::clamp<std::int64_t>(bytes, 0, more);
}

inline void spend(std::size_t steps) {
  Budget& spent = budget();
  spent.steps += static_cast<std::int64_t>(steps);
  if (spent.steps > spent.most) {
    raise("too many steps: more than {} for this data (endless loop?)", spent.most);
  }
}

/// Bytes that are compared, counted or copied.
inline void spend_reading(std::size_t bytes) { spend(bytes / 64); }

/// Bytes that are looked at character by character.
inline void spend_decoding(std::size_t bytes) { spend(bytes / 8); }

inline void check_text_size(std::size_t size) {
  if (size > kLargestText) raise("a text of more than {} bytes", kLargestText);
}

/// A text that is kept.
inline void check_text(std::size_t size) {
  check_text_size(size);
  spend(1 + size / 64);
}

inline void check_list_size(std::size_t size) {
  if (size > kLargestList) raise("a list of more than {} items", kLargestList);
}

/// A list that is kept.
inline void check_list(std::size_t size) {
  check_list_size(size);
  spend(1 + size);
}

/// Adds to a text that is being made.
inline void append(std::string& out, std::string_view piece) {
  check_text_size(out.size() + piece.size());
  spend(piece.size() / 64);
  out.append(piece);
}

/// Whether two texts are equal.
inline bool equal_texts(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  spend_reading(a.size());
  return a == b;
}

/// Bytes of a value as long as it lives. A copy counts nothing until it is a value of its own.
class Held {
 public:
  explicit Held(std::size_t bytes = 0) : bytes_(static_cast<std::int64_t>(bytes)) {
    Budget& spent = budget();
    if (spent.held > spent.most_held - bytes_) {
      raise("the template's values hold more than {} bytes", spent.most_held);
    }
    spent.held += bytes_;
  }
  Held(const Held&) noexcept {}
  Held(Held&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  Held& operator=(Held other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Held() { budget().held -= bytes_; }

 private:
  std::int64_t bytes_ = 0;
};

/// One level of recursion.
class Level {
 public:
  explicit Level(int deepest = kDeepestRun) {
    if (budget().depth >= deepest) fail("nested too deeply (endless recursion?)");
    spend(1);
    ++budget().depth;
  }
  ~Level() { --budget().depth; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
};

/// A rendering starts with nothing spent, and leaves an outer one's account as it was.
class Account {
 public:
  explicit Account(std::int64_t most_steps = kFreeSteps) : outer_(budget()) {
    budget() = {0, most_steps, 0, kMostHeld, 0};
  }
  ~Account() { budget() = outer_; }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

 private:
  Budget outer_;
};

}  // namespace posttrain::text::jinja
