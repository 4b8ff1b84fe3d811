// SPDX-License-Identifier: Apache-2.0
// CRC32C (Castagnoli), the checksum of RFC 3720, appendix B.4, and of the records of event files.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace posttrain {

namespace detail {

/// The checksum's change for each value of a byte: the polynomial 0x1EDC6F41, bits reversed.
inline constexpr std::array<std::uint32_t, 256> kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1U) ^ ((rest & 1U) != 0 ? 0x82f63b78U : 0U);
    table[byte] = rest;
  }
  return table;
}();

}  // namespace detail

constexpr std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t sum = ~0U;
  for (const char byte : bytes) {
    sum = (sum >> 8U) ^ detail::kCrc32cTable[(sum ^ static_cast<unsigned char>(byte)) & 0xffU];
  }
  return ~sum;
}

}  // namespace posttrain
