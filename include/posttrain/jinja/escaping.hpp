// SPDX-License-Identifier: Apache-2.0
// Whether a stretch of a template escapes what it prints.
#pragma once

namespace posttrain::text::jinja {

/// A property of the code as written. In an autoescape block whose condition is no constant,
/// `asked`, the moment decides, except for constants, which Jinja prints when it reads the
/// template.
struct Escaping {
  bool on = false;
  bool asked = false;
};

}  // namespace posttrain::text::jinja
