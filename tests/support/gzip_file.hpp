// SPDX-License-Identifier: Apache-2.0
// Gzip files for tests.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace posttrain::test {

/// Writes `content` as one gzip member; `append` puts it behind what is there.
inline std::string write_gzip(const std::filesystem::path& path, std::string_view content,
                              bool append = false) {
  const gzFile file = ::gzopen(path.c_str(), append ? "ab" : "wb");
  if (file == nullptr) throw std::runtime_error("gzopen failed");
  const bool good =
      content.empty() || ::gzwrite(file, content.data(), static_cast<unsigned>(content.size())) > 0;
  if (::gzclose(file) != Z_OK || !good) throw std::runtime_error("gzwrite failed");
  return path.string();
}

}  // namespace posttrain::test
