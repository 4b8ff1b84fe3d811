// SPDX-License-Identifier: Apache-2.0
// Definitions of text_reader.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/text_reader.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE TextReader::TextReader(const fs::path& path) : path_(path.string()) {
  std::error_code ignored;  // opening says what is wrong
  if (fs::is_directory(path, ignored)) raise("expected a file at {}, found a folder", path_);
  if (fs::is_regular_file(path, ignored)) {
    auto map = std::make_unique<MappedFile>(path);
    const std::span<const std::byte> bytes = map->bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with("\x1f\x8b")) {
      refuse_lfs_pointer(text, path);
      map_ = std::move(map);
      window_ = text;
      return;
    }
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) raise_errno("opening of", path);
  struct stat status {};
  const bool device = ::fstat(fd, &status) == 0 &&
                      (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) && ::isatty(fd) == 0;
  stream_.reset(device ? nullptr : ::gzdopen(fd, "rb"));
  if (!stream_) {
    ::close(fd);
    if (device) raise("expected a file or a pipe at {}, found a device", path_);
    raise("{}: no memory to decompress with", path_);
  }
  ::gzbuffer(stream_.get(), 1U << 17);
}

POSTTRAIN_INLINE bool TextReader::extend() {
  if (!stream_) return false;
  constexpr std::size_t kChunk = 1 << 18;
  buffer_.erase(0, buffer_.size() - window_.size());
  const std::size_t unread = buffer_.size();
  buffer_.resize(unread + std::min<std::size_t>(std::max(kChunk, unread), 1 << 26));
  const int count = ::gzread(stream_.get(), buffer_.data() + unread,
                             static_cast<unsigned>(buffer_.size() - unread));
  int code = Z_OK;
  const char* what = ::gzerror(stream_.get(), &code);
  if (code == Z_ERRNO) raise_errno("reading of", path_);
  if (count < 0 || code == Z_BUF_ERROR) {
    raise("{}: the gzip data is damaged or cut off ({}); hint: fetch the file again", path_, what);
  }
  buffer_.resize(unread + static_cast<std::size_t>(count));
  window_ = buffer_;
  return count > 0;
}

}  // namespace posttrain::io
