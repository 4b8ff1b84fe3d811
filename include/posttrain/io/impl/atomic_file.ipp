// SPDX-License-Identifier: Apache-2.0
// Definitions of atomic_file.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/atomic_file.hpp"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

namespace posttrain::io {

namespace detail {

inline fs::path temporary_beside(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  return target.parent_path() /
         fmt::format(".{}.tmp-{}-{}", target.filename().string(), ::getpid(), counter++);
}

inline fs::path old_beside(const fs::path& target) {
  return target.parent_path() / fmt::format(".{}.old", target.filename().string());
}

// The absolute path with symbolic links resolved, so that a link keeps pointing where it did.
inline fs::path resolve_target(const fs::path& target) {
  std::error_code error;
  fs::path resolved = fs::weakly_canonical(fs::absolute(target), error);
  if (error) raise("cannot resolve {}: {}", target.string(), error.message());
  if (!resolved.has_filename()) resolved = resolved.parent_path();
  if (!resolved.has_filename()) raise("cannot replace {} as a whole", target.string());
  return resolved;
}

// Whether a temporary entry belongs to nobody any more: its process id is unused here and no
// process (in another container, say) holds its lock.
inline bool is_abandoned(const fs::path& temporary, long pid) {
  if (pid == ::getpid() || ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) return false;
  const Descriptor fd(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
  return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

inline void remove_abandoned(const fs::path& target) {
  const std::string prefix = fmt::format(".{}.tmp-", target.filename().string());
  std::error_code error;
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator entry(target.parent_path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    long pid = 0;
    const char* last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), last, pid);
    if (parsed.ec != std::errc() || (parsed.ptr != last && *parsed.ptr != '-')) continue;
    if (is_abandoned(entry->path(), pid)) abandoned.push_back(entry->path());
  }
  for (const fs::path& path : abandoned) fs::remove_all(path, error);
}

inline void sync_tree(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_symlink()) continue;
    if (entry.is_directory()) {
      sync_tree(entry.path());
    } else if (entry.is_regular_file()) {
      const Descriptor fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd || ::fsync(fd.get()) != 0) raise_errno("fsync of", entry.path());
    }
  }
  sync_folder(folder);
}

}  // namespace detail

POSTTRAIN_INLINE AtomicFile::AtomicFile(const fs::path& path)
    : target_(detail::resolve_target(path)), file_(prepare(target_)) {}

POSTTRAIN_INLINE AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(file_.path().c_str());
}

POSTTRAIN_INLINE void write_file_atomically(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

POSTTRAIN_INLINE bool recover_folder(const fs::path& folder) {
  const fs::path target = detail::resolve_target(folder);
  const fs::path old = detail::old_beside(target);
  std::error_code error;
  if (fs::exists(target, error) || !fs::exists(old, error)) return false;
  return ::rename(old.c_str(), target.c_str()) == 0;
}

POSTTRAIN_INLINE AtomicFolder::AtomicFolder(
    const fs::path& target, const std::function<bool(std::string_view)>& replaceable, Swap swap)
    : target_(detail::resolve_target(target)), swap_(swap) {
  std::error_code error;
  fs::create_directories(target_.parent_path(), error);
  if (error) {
    raise("cannot create folder {}: {}", target_.parent_path().string(), error.message());
  }
  recover_folder(target_);
  if (fs::exists(target_) && !fs::is_directory(target_)) {
    raise("expected a folder or nothing at {}, found a file", target_.string());
  }
  if (replaceable && fs::exists(target_)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(target_)) {
      const std::string name = entry.path().filename().string();
      if (!replaceable(name)) {
        raise(
            "{} holds '{}', which is no file of ours and would be deleted; hint: choose a new "
            "or empty folder",
            target_.string(), name);
      }
    }
  }
  detail::remove_abandoned(target_);
  temporary_ = detail::temporary_beside(target_);
  fs::remove_all(temporary_, error);  // left by a dead process that had our process id
  if (!fs::create_directory(temporary_, error)) {
    raise("cannot create folder {}: {}", temporary_.string(), error.message());
  }
  lock_ = Descriptor(::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock_) ::flock(lock_.get(), LOCK_EX | LOCK_NB);
}

POSTTRAIN_INLINE AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

POSTTRAIN_INLINE bool AtomicFolder::exchange() const {
  if (::syscall(SYS_renameat2, AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(),
                RENAME_EXCHANGE) == 0) {
    return true;
  }
  if (errno == ENOSYS || errno == EINVAL || errno == ENOTSUP || errno == EPERM) return false;
  raise_errno("exchanging with", target_);
}

POSTTRAIN_INLINE void AtomicFile::commit() {
  file_.close();
  if (::rename(file_.path().c_str(), target_.c_str()) != 0) raise_errno("renaming to", target_);
  committed_ = true;
  sync_folder(target_.parent_path());
}

POSTTRAIN_INLINE void AtomicFolder::commit() {
  if (committed_) fail("AtomicFolder::commit was called twice");
  detail::sync_tree(temporary_);
  std::error_code ignored;
  if (!fs::exists(target_)) {
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) raise_errno("renaming to", target_);
  } else if (swap_ == Swap::kTwoRenames || !exchange()) {
    const fs::path old = detail::old_beside(target_);
    fs::remove_all(old, ignored);
    if (::rename(target_.c_str(), old.c_str()) != 0) raise_errno("renaming of", target_);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      const int error = errno;
      recover_folder(target_);
      errno = error;
      raise_errno("renaming to", target_);
    }
  }
  committed_ = true;
  sync_folder(target_.parent_path());
  fs::remove_all(temporary_, ignored);
  fs::remove_all(detail::old_beside(target_), ignored);
}

POSTTRAIN_INLINE fs::path AtomicFile::prepare(const fs::path& target) {
  detail::remove_abandoned(target);
  return detail::temporary_beside(target);
}

}  // namespace posttrain::io
