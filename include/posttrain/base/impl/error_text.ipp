// SPDX-License-Identifier: Apache-2.0
// Definitions of error_text.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"

namespace posttrain {

namespace detail {

/// What stands before LibTorch's backtrace, in any of its forms.
inline std::string_view without_backtrace(std::string_view text) {
  for (const std::string_view mark : {"Exception raised from ", "frame #0", "C++ CapturedTraceback",
                                      "CUDA kernel errors might"}) {
    if (text.starts_with(mark)) return {};
    const std::size_t at = text.find("\n" + std::string(mark));
    if (at != text.npos) text = text.substr(0, at);
  }
  return text;
}

/// Lines put behind each other; empty ones fall away.
inline std::string joined_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    if (!line.empty()) out += (out.empty() ? "" : " ") + std::string(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// "5120000000 bytes", "20.00 MiB": what the allocator was asked for, or nothing.
inline std::string_view wanted_memory(std::string_view text) {
  for (const std::string_view mark : {"you tried to allocate ", "Tried to allocate "}) {
    const std::size_t at = text.find(mark);
    if (at == text.npos) continue;
    text.remove_prefix(at + mark.size());
    const std::size_t space = text.find(' ');
    if (space == text.npos) return {};
    std::size_t end = space + 1;  // behind the unit
    while (end < text.size() && text[end] != ' ' && text[end] != '.' && text[end] != '\n') ++end;
    return text.substr(0, end);
  }
  return {};
}

/// The words of `text` between two marks that follow each other; nothing where one is missing.
inline std::string_view between(std::string_view text, std::string_view before,
                                std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == text.npos) return {};
  text.remove_prefix(begin + before.size());
  const std::size_t end = text.find(after);
  return end == text.npos ? std::string_view() : text.substr(0, end);
}

/// What CUDA's allocator tells of the device: free, in use, kept for later.
inline std::string state_of_memory(std::string_view text) {
  std::string state;
  if (const auto free = between(text, " of which ", " is free"); !free.empty()) {
    state += fmt::format(", {} of the GPU's {} are free", free,
                         between(text, "has a total capacity of ", " of which "));
  }
  if (const auto used = between(text, "Of the allocated memory ", " is allocated"); !used.empty()) {
    state += fmt::format(", {} in use by tensors", used);
  }
  if (const auto kept = between(text, "by PyTorch, and ", " is reserved"); !kept.empty()) {
    state += fmt::format(", {} reserved beside them", kept);
  }
  return state;
}

inline std::string out_of_memory(std::string_view wanted, std::string_view state = {}) {
  return fmt::format(
      "{}{}{}{}; hint: a smaller max_tokens_per_batch or max_seq_len, "
      "gradient_checkpointing, dtype bfloat16, or a policy that trains less",
      kOutOfMemory, wanted.empty() ? "" : ": wanted ", wanted, state);
}

/// An error that a kernel left behind: CUDA repeats it at every later call of the process.
inline std::string device_error(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  return fmt::format(
      "the GPU stopped with \"{}\" and does no more work for this process; hint: run again from "
      "the last checkpoint; CUDA_LAUNCH_BLOCKING=1 shows which operation it was",
      text);
}

}  // namespace detail

POSTTRAIN_INLINE std::string error_text(std::string_view message) {
  const std::string_view text = detail::without_backtrace(message);
  for (const std::string_view mark :
       {"can't allocate memory", "not enough memory", "out of memory. Tried to allocate"}) {
    if (text.find(mark) == text.npos) continue;
    return detail::out_of_memory(detail::wanted_memory(text), detail::state_of_memory(text));
  }
  constexpr std::string_view kSticky = "CUDA error: ";
  if (text.starts_with(kSticky)) return detail::device_error(text.substr(kSticky.size()));
  std::string line = one_line(detail::joined_lines(text));
  if (line.empty()) line = "an error without a message";
  return detail::without_middle(std::move(line));
}

POSTTRAIN_INLINE std::string error_text(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return detail::out_of_memory("");
  return error_text(std::string_view(error.what()));
}

}  // namespace posttrain
