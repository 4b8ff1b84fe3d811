// SPDX-License-Identifier: Apache-2.0
// A library to preload (LD_PRELOAD) that counts the file operations of a program below one folder,
// and kills the program before one of them, or lets it fail.
//
//   FAULTS_ROOT   the folder
//   FAULTS_COUNT  a file (elsewhere) for the number of operations, written when the program exits
//   FAULTS_AT     which operation, from 1
//   FAULTS_HOW    kill; or the number of an error (28: ENOSPC, 5: EIO)
//   FAULTS_STAYS  set: all later operations that need the disk fail, too

// Each function under its own name, for both sizes of offsets.
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace {

std::atomic<long> operations{0};

long number(const char* name) {
  const char* text = ::getenv(name);
  return text == nullptr ? 0 : ::strtol(text, nullptr, 10);
}

bool below_root(const char* path) {
  static const char* const root = ::getenv("FAULTS_ROOT");
  return root != nullptr && path != nullptr && ::strncmp(path, root, ::strlen(root)) == 0;
}

bool below_root(int fd) {
  char link[64], path[4096];
  ::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size < 0) return false;
  path[size] = '\0';
  return below_root(path);
}

/// A path relative to a folder's descriptor counts with the folder.
bool below_root(int folder, const char* path) {
  return path[0] == '/' || folder == AT_FDCWD ? below_root(path) : below_root(folder);
}

/// Counts an operation; true if it is to fail, with errno set.
bool fails() {
  static const long at = number("FAULTS_AT");
  static const char* const how = ::getenv("FAULTS_HOW");
  static const bool stays = ::getenv("FAULTS_STAYS") != nullptr;
  const long now = ++operations;
  if (at == 0 || now < at || (now > at && !stays)) return false;
  if (::strcmp(how, "kill") == 0) ::kill(::getpid(), SIGKILL);
  errno = static_cast<int>(number("FAULTS_HOW"));
  return true;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

[[gnu::destructor]] void report() {
  const char* path = ::getenv("FAULTS_COUNT");
  if (path == nullptr) return;
  if (FILE* file = ::fopen(path, "w")) {
    ::fprintf(file, "%ld\n", operations.load());
    ::fclose(file);
  }
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : mode_t{0};
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, mode_t)>("open");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if ((flags & (O_CREAT | O_TRUNC)) != 0 && below_root(path) && fails()) return -1;
  return real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, mode_t)>("open64");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  if ((flags & (O_CREAT | O_TRUNC)) != 0 && below_root(path) && fails()) return -1;
  return real(path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  if (fd > 2 && below_root(fd) && fails()) return -1;
  return real(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  if (below_root(fd) && fails()) return -1;
  return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  if (below_root(fd) && fails()) return -1;
  return real(fd, data, size, offset);
}

int fsync(int fd) {
  static auto* const real = next<int(int)>("fsync");
  if (below_root(fd) && fails()) return -1;
  return real(fd);
}

int truncate(const char* path, off_t size) {
  static auto* const real = next<int(const char*, off_t)>("truncate");
  if (below_root(path) && fails()) return -1;
  return real(path, size);
}

int ftruncate(int fd, off_t size) {
  static auto* const real = next<int(int, off_t)>("ftruncate");
  if (below_root(fd) && fails()) return -1;
  return real(fd, size);
}

int mkdir(const char* path, mode_t mode) {
  static auto* const real = next<int(const char*, mode_t)>("mkdir");
  if (below_root(path) && fails()) return -1;
  return real(path, mode);
}

int rename(const char* from, const char* to) {
  static auto* const real = next<int(const char*, const char*)>("rename");
  if (below_root(to) && fails()) return -1;
  return real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  if (below_root(to_folder, to) && fails()) return -1;
  return real(from_folder, from, to_folder, to, flags);
}

int unlink(const char* path) {
  static auto* const real = next<int(const char*)>("unlink");
  if (below_root(path) && fails()) return -1;
  return real(path);
}

int unlinkat(int folder, const char* path, int flags) {
  static auto* const real = next<int(int, const char*, int)>("unlinkat");
  if (below_root(folder, path) && fails()) return -1;
  return real(folder, path, flags);
}

int rmdir(const char* path) {
  static auto* const real = next<int(const char*)>("rmdir");
  if (below_root(path) && fails()) return -1;
  return real(path);
}

int remove(const char* path) {
  static auto* const real = next<int(const char*)>("remove");
  if (below_root(path) && fails()) return -1;
  return real(path);
}

}  // extern "C"
