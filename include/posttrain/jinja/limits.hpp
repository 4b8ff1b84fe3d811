// SPDX-License-Identifier: Apache-2.0
// Bounds on the resources of a template. Templates are strangers' programs: every operation pays
// for the items and bytes that it touches, and values, texts and lists have a largest size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "posttrain/base/error.hpp"

namespace posttrain::text::jinja {

inline constexpr std::int64_t kMostSteps = 20000000;                 // in one rendering
inline constexpr std::size_t kLargestText = std::size_t{64} << 20U;  // bytes
inline constexpr std::size_t kLargestList = 1000000;                 // items
inline constexpr std::int64_t kLongestRange = 100000;                // as Jinja's sandbox
inline constexpr int kDeepestRun = 300;    // statements, expressions, calls
inline constexpr int kDeepestValue = 600;  // lists in lists …

/// Steps and levels that the rendering on this thread has spent.
struct Budget {
  std::int64_t steps = 0;
  int depth = 0;
};
inline Budget& budget() {
  static thread_local Budget spent;
  return spent;
}

inline void spend(std::size_t steps) {
  budget().steps += static_cast<std::int64_t>(steps);
  if (budget().steps > kMostSteps) fail("too many steps (endless loop?)");
}

/// Texts cost a step per 64 bytes.
inline void check_text(std::size_t size) {
  if (size > kLargestText) raise("a text of more than {} bytes", kLargestText);
  spend(size / 64);
}
inline void check_list(std::size_t size) {
  if (size > kLargestList) raise("a list of more than {} items", kLargestList);
  spend(size);
}

/// One level of recursion.
class Level {
 public:
  explicit Level(int deepest = kDeepestRun) {
    if (budget().depth >= deepest) fail("nested too deeply (endless recursion?)");
    ++budget().depth;
    spend(1);
  }
  ~Level() { --budget().depth; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
};

/// A rendering starts with nothing spent, and leaves an outer one's account as it was.
class Account {
 public:
  Account() : outer_(budget()) { budget() = {}; }
  ~Account() { budget() = outer_; }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

 private:
  Budget outer_;
};

}  // namespace posttrain::text::jinja
