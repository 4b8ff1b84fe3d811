// SPDX-License-Identifier: Apache-2.0
// Definitions of footprint.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/trainer/run/footprint.hpp"

namespace posttrain {

namespace detail {

inline std::string with_commas(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  for (auto at = static_cast<std::int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

}  // namespace detail

POSTTRAIN_INLINE std::string Footprint::text() const {
  std::string line = fmt::format("trains {} parameters", detail::with_commas(trained_parameters));
  if (model_parameters > 0) {
    line += fmt::format(
        ", {:.2f} % of the model's {}",
        100.0 * static_cast<double>(trained_parameters) / static_cast<double>(model_parameters),
        detail::with_commas(model_parameters));
  }
  const auto add = [&](const char* separator, const char* what, std::int64_t bytes) {
    if (bytes > 0)
      line += fmt::format("{}{} {:.1f} MB", separator, what, 1e-6 * static_cast<double>(bytes));
  };
  add("; ", "weights", weights);
  add(weights > 0 ? ", " : "; ", "gradients", gradients);
  add(", ", "masters", masters);
  add(", ", "optimizer", optimizer);
  if (widened) line += "; products in float32, which this processor multiplies faster";
  return line;
}

POSTTRAIN_INLINE std::string Footprint::largest() const {
  const std::pair<const char*, std::int64_t> parts[] = {{"weights", weights},
                                                        {"gradients", gradients},
                                                        {"masters", masters},
                                                        {"optimizer", optimizer}};
  const auto& [what, bytes] =
      *std::ranges::max_element(parts, {}, [](auto& p) { return p.second; });
  return bytes > 0 ? fmt::format("{} {:.1f} MB", what, 1e-6 * static_cast<double>(bytes)) : "";
}

}  // namespace posttrain
