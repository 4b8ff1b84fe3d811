// SPDX-License-Identifier: Apache-2.0
// Definitions of event_file_writer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/crc32c.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/event_file_writer.hpp"

namespace posttrain::io {

namespace detail {

// ---- Protocol Buffers: a field is its number and kind, then its value
// ----------------------------

inline void add_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) message += static_cast<char>((value & 0x7fU) | 0x80U);
  message += static_cast<char>(value);
}

/// The bytes of a number, least significant first.
template <class Number>
void add_little_endian(std::string& message, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    message += static_cast<char>((number >> (8 * i)) & 0xffU);
  }
}

enum class WireType : std::uint64_t { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

inline void add_key(std::string& message, std::uint64_t field, WireType type) {
  add_varint(message, field << 3U | static_cast<std::uint64_t>(type));
}
inline void add_integer(std::string& message, std::uint64_t field, std::int64_t value) {
  add_key(message, field, WireType::varint);
  add_varint(message, static_cast<std::uint64_t>(value));
}
inline void add_double(std::string& message, std::uint64_t field, double value) {
  add_key(message, field, WireType::eight_bytes);
  add_little_endian(message, std::bit_cast<std::uint64_t>(value));
}
inline void add_float(std::string& message, std::uint64_t field, float value) {
  add_key(message, field, WireType::four_bytes);
  add_little_endian(message, std::bit_cast<std::uint32_t>(value));
}
inline void add_bytes(std::string& message, std::uint64_t field, std::string_view bytes) {
  add_key(message, field, WireType::bytes);
  add_varint(message, bytes.size());
  message += bytes;
}

// ---- The messages
// --------------------------------------------------------------------------------

inline std::string file_version() {
  std::string content;
  add_bytes(content, 3, "brain.Event:2");  // Event.file_version
  return content;
}

inline std::string session_start() {
  std::string log, content;
  add_integer(log, 1, 1);      // SessionLog.status = START
  add_bytes(content, 7, log);  // Event.session_log
  return content;
}

inline std::string summary(const std::vector<std::pair<std::string, double>>& values) {
  std::string all, content;
  for (const auto& [tag, number] : values) {
    std::string value;
    add_bytes(value, 1, tag);                         // Summary.Value.tag
    add_float(value, 2, static_cast<float>(number));  // Summary.Value.simple_value
    add_bytes(all, 1, value);                         // Summary.value
  }
  add_bytes(content, 5, all);  // Event.summary
  return content;
}

/// A checksum as records keep it: a CRC of data that hold CRCs of their own is weak.
inline std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

inline std::string framed(std::string_view event) {
  std::string record;
  add_little_endian(record, std::uint64_t{event.size()});
  add_little_endian(record, masked_crc32c(record));
  record += event;
  add_little_endian(record, masked_crc32c(event));
  return record;
}

inline constexpr std::string_view kEventFilePrefix = "events.out.tfevents.";

/// The greatest time in the names of a folder's event files, in seconds; −1: there are none.
inline std::int64_t newest_event_file(const fs::path& folder) {
  std::int64_t newest = -1;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kEventFilePrefix)) continue;
    newest = std::max<std::int64_t>(newest, 0);
    const std::string digits = name.substr(kEventFilePrefix.size(), 10);
    if (digits.size() == 10 && digits.find_first_not_of("0123456789") == std::string::npos) {
      newest = std::max<std::int64_t>(newest, std::stoll(digits));
    }
  }
  return newest;
}

inline std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "host";
}

}  // namespace detail

POSTTRAIN_INLINE EventFileWriter::EventFileWriter(const fs::path& folder, std::int64_t first_step)
    : file_(opened(folder)) {
  write_event(0, detail::file_version());
  if (follows_others_) write_event(first_step, detail::session_start());
}

POSTTRAIN_INLINE OutputFile EventFileWriter::opened(const fs::path& folder) {
  create_folders(folder);
  const std::int64_t newest = detail::newest_event_file(folder);
  follows_others_ = newest >= 0;
  // Readers take the files by name. A clock that was set back, or two sessions within a second,
  // must not put this one before those that it follows.
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  const std::string name = fmt::format("{}{:010}.{}.{}.0", detail::kEventFilePrefix,
                                       std::max(now, newest + 1), detail::host_name(), ::getpid());
  return OutputFile(folder / name);
}

POSTTRAIN_INLINE void EventFileWriter::write(
    std::int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  write_event(step, detail::summary(values));
}

POSTTRAIN_INLINE void EventFileWriter::write_event(std::int64_t step, std::string_view content) {
  std::string event;
  const std::chrono::duration<double> time = std::chrono::system_clock::now().time_since_epoch();
  detail::add_double(event, 1, time.count());  // Event.wall_time
  detail::add_integer(event, 2, step);         // Event.step
  event += content;
  file_.write(detail::framed(event));
}

}  // namespace posttrain::io
