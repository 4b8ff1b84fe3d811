// SPDX-License-Identifier: Apache-2.0
// Definitions of format_reader.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <optional>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/columns.hpp"
#include "posttrain/data/formats/format_reader.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE std::optional<SourceSample> FormatReader::next() {
  std::optional<SourceSample> sample = samples_.next();
  if (!sample || !sample->error.empty()) return sample;
  const std::optional<Format> format = detect_format(sample->value);
  if (!format) {
    sample->error = fmt::format("expected {}, got {}", expected_, detail::keys_of(sample->value));
  } else if (!accepts_(*format)) {
    sample->error = fmt::format("expected {}, got {}", expected_, format_name(*format));
  } else if (format_ && *format != *format_) {
    sample->error = fmt::format("expected {} as before, got {} ({})", format_name(*format_),
                                format_name(*format), detail::keys_of(sample->value));
  } else {
    format_ = format;
    if (!sample->value.is_object()) return sample;
    for (const auto& [key, value] : sample->value.items()) {
      if (!value.is_null() && !reads_column(*format, key) && !is_harmless_column(key)) {
        unread_.add(key);
      }
    }
  }
  return sample;
}

POSTTRAIN_INLINE std::string FormatReader::description() const {
  return fmt::format("{}: {}", samples_.description(path_),
                     format_ ? format_name(*format_) : "nothing readable");
}

}  // namespace posttrain::data
