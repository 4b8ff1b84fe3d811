// SPDX-License-Identifier: Apache-2.0
// Definitions of atomic_file.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <signal.h>
#include <stdio.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/atomic_file.hpp"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

namespace posttrain::io {

namespace detail {

inline std::string temporary_prefix(std::string_view name) { return fmt::format(".{}.tmp-", name); }

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
  if (fs::is_symlink(fs::symlink_status(resolved, error))) {
    raise(
        "{} is a link to {}, where nothing is; hint: remove the link, or create what it points to",
        resolved.string(), fs::read_symlink(resolved, error).string());
  }
  return resolved;
}

// Makes an entry of a new name by `make(path)`, open and locked. A sweeper in another container may
// take it for abandoned before it is locked, and then another is made.
template <class Make>
std::pair<fs::path, Descriptor> locked_temporary(const fs::path& parent, std::string_view name,
                                                 const Make& make) {
  std::random_device random;
  while (true) {
    const fs::path path = parent / fmt::format("{}{}-{:08x}{:08x}", temporary_prefix(name),
                                               ::getpid(), random(), random());
    Descriptor fd = make(path);
    ::flock(fd.get(), LOCK_EX | LOCK_NB);  // where the file system has no locks, nobody sweeps
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) raise_errno("fstat of", path);
    if (status.st_nlink > 0) return {path, std::move(fd)};
  }
}

// Whether a temporary entry belongs to nobody any more: no process, in whatever container, holds
// its lock. That of a living process id may be new and not locked yet.
inline bool is_abandoned(const fs::path& temporary, long pid) {
  const bool dead = ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  const Descriptor fd(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  constexpr std::time_t kSecondsToLock = 60;
  struct stat status {};
  return dead ||
         (::fstat(fd.get(), &status) == 0 && status.st_mtime + kSecondsToLock < std::time(nullptr));
}

/// Of one name, or (empty) of all.
inline void remove_abandoned(const fs::path& parent, std::string_view name) {
  const std::string mark = name.empty() ? ".tmp-" : temporary_prefix(name);
  std::error_code error;
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string found = entry->path().filename().string();
    const std::size_t at = found.rfind(mark);
    if (at == std::string::npos || found.front() != '.' || (!name.empty() && at != 0)) continue;
    long pid = 0;
    const char* last = found.data() + found.size();
    const auto parsed = std::from_chars(found.data() + at + mark.size(), last, pid);
    if (parsed.ec != std::errc() || pid <= 0 || (parsed.ptr != last && *parsed.ptr != '-'))
      continue;
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

POSTTRAIN_INLINE void create_folders(const fs::path& folder) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path path = fs::absolute(folder); !fs::exists(path, error) && path.has_relative_path();
       path = path.parent_path()) {
    if (path.has_filename()) missing.push_back(path);
  }
  for (auto path = missing.rbegin(); path != missing.rend(); ++path) {
    if (::mkdir(path->c_str(), 0777) != 0 && errno != EEXIST) {
      raise("cannot create folder {}: {}", path->string(), std::strerror(errno));
    }
    sync_folder(path->parent_path());
  }
  if (!fs::is_directory(folder, error)) {
    raise("expected a folder at {}, found a file", folder.string());
  }
}

POSTTRAIN_INLINE void sweep_abandoned(const fs::path& folder) {
  detail::remove_abandoned(folder, "");
}

POSTTRAIN_INLINE TemporaryFolder::TemporaryFolder(const fs::path& parent, std::string_view name) {
  std::tie(path_, lock_) = detail::locked_temporary(parent, name, [](const fs::path& path) {
    if (::mkdir(path.c_str(), 0777) != 0) {
      raise("cannot create folder {}: {}", path.string(), std::strerror(errno));
    }
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) raise_errno("opening of folder", path);
    return fd;
  });
}

POSTTRAIN_INLINE TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

POSTTRAIN_INLINE TemporaryFolder& TemporaryFolder::operator=(TemporaryFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

POSTTRAIN_INLINE TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

POSTTRAIN_INLINE AtomicFile::AtomicFile(const fs::path& path)
    : target_(detail::resolve_target(path)), file_([&] {
        const std::string name = target_.filename().string();
        detail::remove_abandoned(target_.parent_path(), name);
        auto [temporary,
              fd] = detail::locked_temporary(target_.parent_path(), name, [](const fs::path& file) {
          Descriptor opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
          if (!opened) raise_errno("opening for writing of", file);
          return opened;
        });
        return OutputFile(std::move(temporary), std::move(fd));
      }()) {}

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
    : target_(detail::resolve_target(target)), swap_(swap), temporary_(prepared()) {
  if (replaceable) check_entries(replaceable);
}

POSTTRAIN_INLINE TemporaryFolder AtomicFolder::prepared() {
  const fs::path parent = target_.parent_path();
  const std::string name = target_.filename().string();
  create_folders(parent);
  recover_folder(target_);
  const bool there = fs::exists(target_);
  if (there && !fs::is_directory(target_)) {
    raise("expected a folder or nothing at {}, found a file", target_.string());
  }
  if (swap_ != Swap::kInPlace) {
    detail::remove_abandoned(parent, name);
    if (!there || ::access(parent.c_str(), W_OK | X_OK) == 0) {
      TemporaryFolder beside(parent, name);
      if (!there) return beside;
      // A trial: the system refuses it in any case, since the folder is not empty, but a mount
      // point or a folder of a lower layer (overlayfs) for that reason, and one that may not be
      // renamed.
      const fs::path obstacle = beside.path() / "obstacle";
      OutputFile(obstacle).write("");
      const int outcome = ::rename(target_.c_str(), beside.path().c_str()) == 0 ? 0 : errno;
      // It would be in the folder that is put in place.
      if (::unlink(obstacle.c_str()) != 0) raise_errno("removing of", obstacle);
      if (outcome == ENOTEMPTY || outcome == EEXIST) return beside;
      if (outcome != EBUSY && outcome != EXDEV) {
        errno = outcome;
        raise_errno("replacing of", target_);
      }
    }
    swap_ = Swap::kInPlace;
  }
  create_folders(target_);
  detail::remove_abandoned(target_, name);
  return TemporaryFolder(target_, name);
}

POSTTRAIN_INLINE void AtomicFolder::check_entries(
    const std::function<bool(std::string_view)>& replaceable) const {
  if (!fs::exists(target_)) return;
  const std::string temporary = detail::temporary_prefix(target_.filename().string());
  for (const fs::directory_entry& entry : fs::directory_iterator(target_)) {
    const std::string name = entry.path().filename().string();
    if (replaceable(name)) continue;
    if (swap_ == Swap::kInPlace && (name.starts_with(temporary) || name == "lost+found")) continue;
    raise(
        "{} holds '{}', which is no file of ours and would be deleted; hint: choose a new or empty "
        "folder",
        target_.string(), name);
  }
}

POSTTRAIN_INLINE bool AtomicFolder::exchange() const {
  if (::renameat2(AT_FDCWD, path().c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
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

POSTTRAIN_INLINE void AtomicFolder::commit(std::string_view first_read) {
  if (committed_) fail("AtomicFolder::commit was called twice");
  detail::sync_tree(path());
  std::error_code ignored;
  if (swap_ == Swap::kInPlace) {
    fill(first_read);
  } else if (!fs::exists(target_)) {
    if (::rename(path().c_str(), target_.c_str()) != 0) raise_errno("renaming to", target_);
  } else if (swap_ == Swap::kTwoRenames || !exchange()) {
    const fs::path old = detail::old_beside(target_);
    fs::remove_all(old, ignored);
    if (::rename(target_.c_str(), old.c_str()) != 0) raise_errno("renaming of", target_);
    if (::rename(path().c_str(), target_.c_str()) != 0) {
      const int error = errno;
      recover_folder(target_);
      errno = error;
      raise_errno("renaming to", target_);
    }
  }
  committed_ = true;
  sync_folder(swap_ == Swap::kInPlace ? target_ : target_.parent_path());
  fs::remove_all(path(), ignored);
  fs::remove_all(detail::old_beside(target_), ignored);
}

POSTTRAIN_INLINE void AtomicFolder::fill(std::string_view first_read) const {
  const auto names_in = [](const fs::path& folder) {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  };
  const std::vector<std::string> names = names_in(path());
  const auto move = [&](const std::string& name) {
    if (fs::is_directory(target_ / name)) fs::remove_all(target_ / name);
    if (::rename((path() / name).c_str(), (target_ / name).c_str()) != 0) {
      raise_errno("renaming to", target_ / name);
    }
  };
  if (!first_read.empty()) fs::remove(target_ / first_read);
  sync_folder(target_);
  for (const std::string& name : names) {
    if (name != first_read) move(name);
  }
  const std::string temporary = detail::temporary_prefix(target_.filename().string());
  for (const std::string& name : names_in(target_)) {
    const bool keep = name.starts_with(temporary) || name == "lost+found" ||
                      std::ranges::find(names, name) != names.end();
    if (!keep) fs::remove_all(target_ / name);
  }
  sync_folder(target_);
  if (std::ranges::find(names, first_read) != names.end()) move(std::string(first_read));
}

POSTTRAIN_INLINE void check_replaceable(const fs::path& target,
                                        const std::function<bool(std::string_view)>& replaceable) {
  AtomicFolder(target, replaceable);
}

}  // namespace posttrain::io
