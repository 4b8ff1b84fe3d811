// SPDX-License-Identifier: Apache-2.0
// What a program prints of an exception: one line, whoever threw it.
//
// Messages of LibTorch end in a backtrace of some 30 lines, and what ran out of memory names a
// source file of the allocator. A program of one's own ends with
//
//   } catch (const std::exception& error) {
//     fmt::print(stderr, "error: {}\n", posttrain::error_text(error));
//   }
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace posttrain {

/// How the line begins where memory ran out.
inline constexpr std::string_view kOutOfMemory = "out of memory";

/// The message in one line of at most kLongestMessage bytes, without a backtrace. Where memory ran
/// out (std::bad_alloc, LibTorch's allocators on any device) it says so, how much was wanted where
/// that is known, what the device's memory holds, and which options need less. An error that a CUDA
/// kernel left behind says that the process can do no more.
std::string error_text(const std::exception& error);

/// As above, of the text of a message.
std::string error_text(std::string_view message);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/base/impl/error_text.ipp"
#endif
