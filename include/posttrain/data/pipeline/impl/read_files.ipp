// SPDX-License-Identifier: Apache-2.0
// Definitions of read_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/pipeline/read_files.hpp"
#include "posttrain/io/file.hpp"

namespace posttrain::data {

namespace detail {

/// A file as the system describes it now; nothing where there is none.
inline std::optional<ReadFile> described_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  constexpr std::int64_t kSecond = 1'000'000'000;
  ReadFile file{.path = path};
  file.can_be_hashed = S_ISREG(status.st_mode);
  if (!file.can_be_hashed) return file;
  file.bytes = status.st_size;
  file.modified = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec;
  return file;
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<std::string> ReadFile::content() const {
  const auto unchanged = [&] {
    const std::optional<ReadFile> now = detail::described_file(path);
    return now && now->can_be_hashed && now->bytes == bytes && now->modified == modified;
  };
  if (!can_be_hashed || !unchanged()) return std::nullopt;
  try {
    ContentHash hash;
    hash.add(io::MappedFile(path).bytes());
    if (unchanged()) return hash.text();
  } catch (const Error&) {  // it went, or may no longer be read
  }
  return std::nullopt;
}

POSTTRAIN_INLINE void ReadFiles::add(std::string_view path, bool validation) {
  ReadFiles found;  // a path names a file once
  for (const std::string& name : source_files(path)) {
    std::optional<ReadFile> file = detail::described_file(name);
    if (!file) continue;  // reading it says so
    file->validation = validation;
    found.files_.push_back(*std::move(file));
  }
  merge(found);
}

POSTTRAIN_INLINE void ReadFiles::merge(const ReadFiles& other) {
  const std::vector<ReadFile> before = files_;
  for (const ReadFile& file : other.files_) {
    const bool there = std::any_of(before.begin(), before.end(),
                                   [&](const ReadFile& each) { return each.path == file.path; });
    if (!there) files_.push_back(file);
  }
}

POSTTRAIN_INLINE std::string ReadFiles::description() const {
  std::string text;
  for (const ReadFile& file : files_) {
    text += text.empty() ? "" : ", ";
    text += file.can_be_hashed ? fmt::format("{} ({} bytes)", file.path, file.bytes) : file.path;
  }
  return text;
}

}  // namespace posttrain::data
