// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "support/temp_folder.hpp"

namespace posttrain::test {

/// A file of sixteen sequences in which every token has one successor.
inline std::string write_successors(const TempFolder& folder) {
  std::string lines;
  for (int i = 0; i < 16; ++i) {
    nlohmann::json ids = nlohmann::json::array();
    for (int t = 0; t < 12; ++t) ids.push_back((7 * i + 3 * t) % 50);
    lines += nlohmann::json{{"input_ids", ids}}.dump() + "\n";
  }
  return folder.write("samples.jsonl", lines);
}

}  // namespace posttrain::test
