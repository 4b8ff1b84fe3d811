// SPDX-License-Identifier: Apache-2.0
// A run's metrics: one JSON object per line, appended and handed to the system at once, so that a
// killed run keeps all lines but at most the last.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

class MetricsWriter {
 public:
  /// Starts the file anew, its folder included.
  explicit MetricsWriter(const fs::path& path) : file_(prepared(path)) {}

  /// Continues a file: everything from the first record of a step beyond `resume_step` on is cut
  /// off, and so is an unfinished last line. Records without a number "step" are kept.
  MetricsWriter(const fs::path& path, std::int64_t resume_step)
      : file_(truncated(path, resume_step), /*append=*/true) {}

  /// The last record that was continued from; null in a new file. (A run that ends twice after the
  /// same step is validated twice.)
  const Json& last() const { return last_; }

  /// Appends one record; its keys keep their order. NaN and infinities become null (JSON has none).
  void write(const Json& record) {
    // A text from outside may not be UTF-8: replace rather than lose the record.
    file_.write(record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }

 private:
  static const fs::path& prepared(const fs::path& path) {
    if (path.has_parent_path()) create_folders(path.parent_path());
    return path;
  }

  const fs::path& truncated(const fs::path& path, std::int64_t resume_step) {
    prepared(path);
    const std::optional<std::string> text =
        read_text_file_if_exists(path, std::numeric_limits<std::size_t>::max());
    if (!text) return path;
    std::size_t keep = 0;
    for (std::size_t end; (end = text->find('\n', keep)) != std::string::npos; keep = end + 1) {
      const std::string_view line(text->data() + keep, end - keep);
      std::string problem;
      const std::optional<Json> record = try_parse_json(line, problem);
      if (!record || !record->is_object()) break;
      const auto step = record->find("step");
      if (step != record->end() && step->is_number_integer() &&
          step->get<std::int64_t>() > resume_step) {
        break;
      }
      last_ = *record;
    }
    if (keep != text->size() && ::truncate(path.c_str(), static_cast<off_t>(keep)) != 0) {
      raise_errno("truncating of", path);
    }
    return path;
  }

  Json last_{};
  OutputFile file_;
};

}  // namespace posttrain::io
