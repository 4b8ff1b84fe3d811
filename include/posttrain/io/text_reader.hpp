// SPDX-License-Identifier: Apache-2.0
// The bytes of a file front to back, with a window on those not yet consumed: plain files, gzip
// (told by its first two bytes, several members too) and pipes.
//
// A plain file is mapped, so its whole rest is in the window and memory is the system's to reclaim.
// With a stream, memory holds the window, which the reader above keeps to one record.
#pragma once

#include <zlib.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/io/file.hpp"

namespace posttrain::io {

class TextReader {
 public:
  explicit TextReader(const fs::path& path) : path_(path.string()) {
    if (fs::is_directory(path)) raise("expected a file at {}, found a folder", path_);
    if (fs::is_regular_file(path)) {
      auto map = std::make_unique<MappedFile>(path);
      const std::span<const std::byte> bytes = map->bytes();
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (!text.starts_with("\x1f\x8b")) {
        map_ = std::move(map);
        window_ = text;
        return;
      }
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) raise_errno("opening of", path);
    stream_.reset(::gzdopen(fd, "rb"));
    if (!stream_) {
      ::close(fd);
      raise("{}: no memory to decompress with", path_);
    }
    ::gzbuffer(stream_.get(), 1U << 17);
  }

  const std::string& path() const { return path_; }

  /// The bytes read and not yet consumed; valid until `extend`.
  std::string_view window() const { return window_; }

  void consume(std::size_t count) { window_.remove_prefix(count); }

  /// Puts more of the file behind the window; false at its end. The window at least doubles, so
  /// that looking for the end of a long record stays linear.
  bool extend() {
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
      raise("{}: the gzip data is damaged or cut off ({}); hint: fetch the file again", path_,
            what);
    }
    buffer_.resize(unread + static_cast<std::size_t>(count));
    window_ = buffer_;
    return count > 0;
  }

 private:
  struct Close {
    void operator()(gzFile_s* stream) const { ::gzclose(stream); }
  };

  std::string path_;
  std::unique_ptr<MappedFile> map_;
  std::unique_ptr<gzFile_s, Close> stream_;
  std::string buffer_;
  std::string_view window_;
};

}  // namespace posttrain::io
