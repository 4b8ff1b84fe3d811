// SPDX-License-Identifier: Apache-2.0
// Definitions of error.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"

namespace posttrain::detail {

[[noreturn]] POSTTRAIN_INLINE void raise_formatted(fmt::string_view format,
                                                   fmt::format_args arguments) {
  throw Error(fmt::vformat(format, arguments));
}

}  // namespace posttrain::detail
