// SPDX-License-Identifier: Apache-2.0
// The result of rendering a template.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace posttrain::text::jinja {

/// The text, and the bytes [begin, end) that `{% generation %}` blocks wrote.
struct Output {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>> generations;
};

}  // namespace posttrain::text::jinja
