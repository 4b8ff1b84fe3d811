// SPDX-License-Identifier: Apache-2.0
// Files as the rest of io/ uses them: whole text in, mapped bytes in, bytes out with fsync.
//
// Every error names the path and what the system said.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"

namespace posttrain::io {

namespace fs = std::filesystem;

/// Throws an `Error` for a failed system call: "write of /a/b failed: No space left on device".
[[noreturn]] void raise_errno(std::string_view what, const fs::path& path);

/// An owned file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// A regular file open for reading. A pipe, socket, device or folder is an error: opening a pipe
/// would wait for its writer, and a device has no end.
Descriptor open_regular(const fs::path& path);

/// A file open for writing. `close` flushes to disk; a destroyed file is closed without that.
class OutputFile {
 public:
  /// Creates or empties `path`; with `append`, keeps what is there and writes at the end.
  explicit OutputFile(fs::path path, bool append = false);

  /// Takes over a file that is open for writing.
  OutputFile(fs::path path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  void write(std::span<const std::byte> bytes);

  /// Writes at an absolute offset and leaves the position of `write` alone.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);

  void sync() {
    if (::fsync(fd_.get()) != 0) raise_errno("fsync of", path_);
  }

  void close() {
    sync();
    fd_.reset();
  }

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Descriptor fd_;
};

/// A file mapped for reading. The bytes stay readable after the file is renamed or unlinked, but
/// not after another process truncates it in place.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Stops counting the whole pages of a part of `bytes` as this process's memory; touched again,
  /// they are read again.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Throws where `content`, a file's, is a pointer of Git LFS: `git clone` without git-lfs leaves
/// such a text of three lines in the place of a large file.
void refuse_lfs_pointer(std::string_view content, const fs::path& path);

/// The most bytes that a text file may have: one that is read whole is held in memory, and its
/// values take several times as much. Weights and data are not read whole.
inline constexpr std::size_t kLargestTextFile = std::size_t{1} << 30U;   // tokenizer.json, say
inline constexpr std::size_t kLargestJsonFile = std::size_t{64} << 20U;  // config.json, an index …
inline constexpr std::size_t kLargestTemplateFile = std::size_t{4} << 20U;

/// The whole content of a regular file of at most `most` bytes; throws where it cannot be read,
/// or is a pointer of Git LFS.
std::string read_text_file(const fs::path& path, std::size_t most = kLargestTextFile);

/// As `read_text_file`, but nothing where there is no such file.
std::optional<std::string> read_text_file_if_exists(const fs::path& path,
                                                    std::size_t most = kLargestTextFile);

/// Makes a folder's entries (creations, renames) durable.
void sync_folder(const fs::path& folder);

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/file.ipp"
#endif
