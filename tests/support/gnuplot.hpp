// SPDX-License-Identifier: Apache-2.0
// Whether there is a gnuplot to test with, and tests without one.
#pragma once

#include <cstdlib>
#include <string>

#include "support/catch.hpp"

namespace posttrain::test {

/// Sets PATH for its lifetime.
class PathOnly {
 public:
  explicit PathOnly(const std::string& path) {
    if (const char* before = std::getenv("PATH")) before_ = before;
    ::setenv("PATH", path.c_str(), 1);
  }
  PathOnly(const PathOnly&) = delete;
  PathOnly& operator=(const PathOnly&) = delete;
  ~PathOnly() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

inline bool has_gnuplot() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }

}  // namespace posttrain::test

#define POSTTRAIN_GNUPLOT_OR_SKIP()                                                \
  if (!posttrain::test::has_gnuplot()) {                                           \
    POSTTRAIN_SKIP("gnuplot is not installed; hint: apt-get install gnuplot-nox"); \
  }
