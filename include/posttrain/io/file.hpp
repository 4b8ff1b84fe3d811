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
[[noreturn]] inline void raise_errno(std::string_view what, const fs::path& path) {
  const int error = errno;
  raise("{} {} failed: {}", what, path.string(), std::strerror(error));
}

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

/// A file open for writing. `close` flushes to disk; a destroyed file is closed without that.
class OutputFile {
 public:
  /// Creates or empties `path`; with `append`, keeps what is there and writes at the end.
  explicit OutputFile(fs::path path, bool append = false) : path_(std::move(path)) {
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
    fd_ = Descriptor(::open(path_.c_str(), flags, 0666));
    if (!fd_) raise_errno("opening for writing of", path_);
  }

  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) raise_errno("writing of", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  /// Writes at an absolute offset and leaves the position of `write` alone.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) raise_errno("writing of", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
  }

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
  explicit MappedFile(const fs::path& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) raise_errno("opening of", path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) raise_errno("fstat of", path);
    if (!S_ISREG(status.st_mode)) raise("expected a regular file at {}", path.string());
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (address == MAP_FAILED) raise_errno("mmap of", path);
    data_ = static_cast<const std::byte*>(address);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Stops counting the whole pages of a part of `bytes` as this process's memory; touched again,
  /// they are read again.
  void release(std::span<const std::byte> part) const {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto offset = static_cast<std::size_t>(part.data() - data_);
    const std::size_t begin = (offset + page - 1) / page * page;
    const std::size_t end = (offset + part.size()) / page * page;
    // A hint: where it fails, nothing is lost but memory.
    if (begin < end) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The whole content of a file, pipes included; throws where it cannot be read.
inline std::string read_text_file(const fs::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) raise_errno("opening of", path);
  std::string text;
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) {
    text.reserve(static_cast<std::size_t>(status.st_size));
  }
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) raise_errno("reading of", path);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

/// As `read_text_file`, but nothing where there is no such file.
inline std::optional<std::string> read_text_file_if_exists(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  return read_text_file(path);
}

/// Makes a folder's entries (creations, renames) durable.
inline void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) raise_errno("opening of folder", folder);
  // Some network file systems refuse fsync on a folder; there is nothing better to do there.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) raise_errno("fsync of folder", folder);
}

}  // namespace posttrain::io
