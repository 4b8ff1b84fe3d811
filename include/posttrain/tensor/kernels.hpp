// SPDX-License-Identifier: Apache-2.0
// Which kernels are used: those of the device, or plain tensor operations everywhere, which every
// kernel falls back to.
#pragma once

#include <cstdlib>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain {

/// Whether POSTTRAIN_KERNELS=generic asks for plain operations, on any device. Read once.
inline bool generic_kernels() {
  static const bool generic = [] {
    const char* given = std::getenv("POSTTRAIN_KERNELS");
    const std::string_view text(given ? given : "");
    if (text != "" && text != "generic") {
      raise("expected POSTTRAIN_KERNELS to be \"generic\" or not set, got \"{}\"", text);
    }
    return text == "generic";
  }();
  return generic;
}

}  // namespace posttrain
