// SPDX-License-Identifier: Apache-2.0
// The bytes of a file front to back, with a window on those not yet consumed: plain files, gzip
// (told by its first two bytes, several members too) and pipes, which are waited for. A terminal
// counts as a pipe; any other device has no end, so it is an error.
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
  explicit TextReader(const fs::path& path);

  const std::string& path() const { return path_; }

  /// The bytes read and not yet consumed; valid until `extend`.
  std::string_view window() const { return window_; }

  void consume(std::size_t count) { window_.remove_prefix(count); }

  /// Puts more of the file behind the window; false at its end. The window at least doubles, so
  /// that looking for the end of a long record stays linear.
  bool extend();

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

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/text_reader.ipp"
#endif
