// SPDX-License-Identifier: Apache-2.0
// What rendering a template yields.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace posttrain::text::jinja {

/// What a run yields: the text, and the bytes [begin, end) that `{% generation %}` blocks wrote.
struct Output {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>> generations;
};

}  // namespace posttrain::text::jinja
