// SPDX-License-Identifier: Apache-2.0
// Definitions of file.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/file.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE void raise_errno(std::string_view what, const fs::path& path) {
  const int error = errno;
  raise("{} {} failed: {}", what, path.string(), std::strerror(error));
}

POSTTRAIN_INLINE OutputFile::OutputFile(fs::path path, bool append) : path_(std::move(path)) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
  fd_ = Descriptor(::open(path_.c_str(), flags, 0666));
  if (!fd_) raise_errno("opening for writing of", path_);
}

POSTTRAIN_INLINE void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) raise_errno("writing of", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

POSTTRAIN_INLINE void OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) raise_errno("writing of", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

namespace detail {

/// "a folder", for a mode that is no regular file's.
inline const char* kind_of_file(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace detail

POSTTRAIN_INLINE Descriptor open_regular(const fs::path& path) {
  // Without O_NONBLOCK, opening a pipe waits for one who writes.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const int error = errno;
  struct stat status {};
  if (fd ? ::fstat(fd.get(), &status) != 0 : ::stat(path.c_str(), &status) != 0) {
    errno = fd ? errno : error;
    raise_errno(fd ? "fstat of" : "opening of", path);
  }
  if (!S_ISREG(status.st_mode)) {  // a socket cannot even be opened
    raise("expected a regular file at {}, found {}", path.string(),
          detail::kind_of_file(status.st_mode));
  }
  errno = error;
  if (!fd) raise_errno("opening of", path);
  return fd;
}

POSTTRAIN_INLINE MappedFile::MappedFile(const fs::path& path) {
  const Descriptor fd = open_regular(path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) raise_errno("fstat of", path);
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) raise_errno("mmap of", path);
  data_ = static_cast<const std::byte*>(address);
}

POSTTRAIN_INLINE void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<std::size_t>(part.data() - data_);
  const std::size_t begin = (offset + page - 1) / page * page;
  const std::size_t end = (offset + part.size()) / page * page;
  // A hint: where it fails, nothing is lost but memory.
  if (begin < end) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

POSTTRAIN_INLINE void refuse_lfs_pointer(std::string_view content, const fs::path& path) {
  if (!content.starts_with("version https://git-lfs.github.com/spec/")) return;
  raise("{}: is a Git LFS pointer, not the file itself; hint: git lfs pull", path.string());
}

POSTTRAIN_INLINE std::string read_text_file(const fs::path& path, std::size_t most) {
  const Descriptor fd = open_regular(path);
  const auto check_size = [&](std::size_t size, std::string_view or_more = "") {
    if (size <= most) return;
    raise("{}: expected a file of at most {} bytes, found {}{}; hint: is it the right one?",
          path.string(), most, size, or_more);
  };
  std::string text;
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0) {
    check_size(static_cast<std::size_t>(status.st_size));
    text.reserve(static_cast<std::size_t>(status.st_size));
  }
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) raise_errno("reading of", path);
    if (count == 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
    check_size(text.size(), " or more");  // it grows, or is one of /proc
  }
  refuse_lfs_pointer(text, path);
  return text;
}

POSTTRAIN_INLINE std::optional<std::string> read_text_file_if_exists(const fs::path& path,
                                                                     std::size_t most) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return std::nullopt;
  }
  return read_text_file(path, most);
}

POSTTRAIN_INLINE void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) raise_errno("opening of folder", folder);
  // Some network file systems refuse fsync on a folder; there is nothing better to do there.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) raise_errno("fsync of folder", folder);
}

}  // namespace posttrain::io
