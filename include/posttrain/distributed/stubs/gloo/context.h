// SPDX-License-Identifier: Apache-2.0
// What LibTorch's ProcessGroupGloo.hpp uses of the file of this name: see
// distributed/impl/gloo.ipp.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
