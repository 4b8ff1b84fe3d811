// SPDX-License-Identifier: Apache-2.0
// The library's version, that of meson.build and CMakeLists.txt.
#pragma once

#include <string_view>

namespace posttrain {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace posttrain
