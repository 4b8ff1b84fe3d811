// SPDX-License-Identifier: Apache-2.0
// Where a recipe's samples come from: a file, a folder of files, or several of them with shares.
//
//   .data_path = "chats.jsonl"
//   .data_path = {{"chats.jsonl", 3}, {"books", 1}}   three sequences in four are of chats.jsonl
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"

namespace posttrain {

/// One source, and its weight among the others.
struct DataSource {
  std::string path{};  // a file or a folder of files (data/formats/reader.hpp)
  double share = 1.0;  // relative to the others'; positive
};

class DataSources {
 public:
  DataSources() = default;
  DataSources(const char* path) : DataSources(std::string_view(path)) {}
  DataSources(const std::string& path) : DataSources(std::string_view(path)) {}
  DataSources(std::string_view path) {
    if (!path.empty()) sources_.push_back({std::string(path), 1.0});
  }
  DataSources(std::initializer_list<DataSource> sources) : sources_(sources) {}
  DataSources(std::vector<DataSource> sources) : sources_(std::move(sources)) {}

  bool empty() const { return sources_.empty(); }
  std::size_t size() const { return sources_.size(); }
  const DataSource& operator[](std::size_t i) const { return sources_[i]; }

  void validate() const {
    for (const DataSource& source : sources_) {
      if (source.path.empty()) fail("data_path: expected a path for each source, got an empty one");
      if (!(source.share > 0.0)) {
        raise("data_path: expected a positive share for {}, got {}", source.path, source.share);
      }
    }
  }

  /// "chats.jsonl"; of several "chats.jsonl (3), books (1)".
  std::string description() const {
    if (sources_.size() == 1) return sources_[0].path;
    std::string text;
    for (const DataSource& source : sources_) {
      text += fmt::format("{}{} ({:g})", text.empty() ? "" : ", ", source.path, source.share);
    }
    return text;
  }

 private:
  std::vector<DataSource> sources_{};
};

}  // namespace posttrain
