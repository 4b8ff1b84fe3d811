// SPDX-License-Identifier: Apache-2.0
// The files that samples are read from, and whether they are still what was read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posttrain::data {

struct ReadFile {
  std::string path{};
  bool validation = false;    // a source of its own to validate on
  bool can_be_hashed = true;  // false: a pipe, say, which is read once
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  // in nanoseconds since 1970

  /// Hash of the file's bytes (base/hash.hpp); nothing where the file is not what it was when it
  /// was added. Reads the file.
  std::optional<std::string> content() const;
};

class ReadFiles {
 public:
  /// The files that a path stands for (formats/reader.hpp), as they are now; before they are read.
  void add(std::string_view path, bool validation = false);
  /// Those of another, without what is there already.
  void merge(const ReadFiles& other);

  const std::vector<ReadFile>& all() const { return files_; }

  /// "chats.jsonl (1234 bytes), held/out.jsonl (56 bytes)"
  std::string description() const;

 private:
  std::vector<ReadFile> files_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/read_files.ipp"
#endif
