// SPDX-License-Identifier: Apache-2.0
// Seconds since an object was made, by a clock that never goes back.
#pragma once

#include <chrono>

namespace posttrain {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace posttrain
