// SPDX-License-Identifier: Apache-2.0
// Finds test data that is too large for the repository: the folder in the environment variable
// POSTTRAIN_SHARED, otherwise ../shared beside the source tree. Tests skip where it is absent:
//
//   POSTTRAIN_SHARED_OR_SKIP(path, "data/tokenizers");  // declares `const std::string path`
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/catch.hpp"

namespace posttrain::test {

/// The path of `relative` in the shared folder, or "" where that does not exist.
inline std::string shared_path(const std::string& relative) {
  const char* variable = std::getenv("POSTTRAIN_SHARED");
  const std::filesystem::path root =
      variable != nullptr && *variable != '\0'
          ? std::filesystem::path(variable)
          : std::filesystem::path(POSTTRAIN_SOURCE_ROOT) / "../shared";
  const std::filesystem::path path = root / relative;
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

}  // namespace posttrain::test

#define POSTTRAIN_SHARED_OR_SKIP(name, relative)                                     \
  const std::string name = posttrain::test::shared_path(relative);                   \
  if (name.empty()) {                                                                \
    POSTTRAIN_SKIP("no " << (relative) << " in the shared data (POSTTRAIN_SHARED)"); \
  }
