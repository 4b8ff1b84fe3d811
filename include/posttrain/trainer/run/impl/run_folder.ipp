// SPDX-License-Identifier: Apache-2.0
// Definitions of run_folder.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/trainer/run/run_folder.hpp"

namespace posttrain {

namespace detail {

/// Who holds the lock of a file, from the system's table of locks ("1: FLOCK ADVISORY WRITE 123
/// fe:01:4567 0 EOF"); processes of other containers have no number there.
inline std::string lock_holder(const io::Descriptor& file) {
  struct stat status {};
  std::optional<std::string> table = io::read_text_file_if_exists("/proc/locks");
  if (!table || ::fstat(file.get(), &status) != 0) return "another process";
  std::istringstream lines(*std::move(table));
  const std::string inode = ":" + std::to_string(status.st_ino);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, mode, place;
    long pid = 0;
    words >> number >> kind >> advisory >> mode >> pid >> place;
    if (kind != "FLOCK" || !place.ends_with(inode) || pid <= 0) continue;
    return pid == ::getpid() ? "another Trainer of this program" : fmt::format("process {}", pid);
  }
  return "a process of another container or machine";
}

inline io::fs::path real_path(const io::fs::path& path) {
  const io::fs::path real = io::fs::weakly_canonical(io::fs::absolute(path));
  return real.has_filename() ? real : real.parent_path();
}

}  // namespace detail

POSTTRAIN_INLINE RunFolder::RunFolder(const std::string& path) {
  if (path.empty()) return;
  path_ = detail::real_path(path);
  const io::fs::path file = path_ / "lock";
  struct stat held {
  }, named{};
  do {
    created_ = !io::fs::exists(path_);
    io::create_folders(path_);
    lock_ = io::Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!lock_) io::raise_errno("opening for writing of", file);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      raise("run_dir {} is in use by {}; hint: choose another run_dir, or wait for that run to end",
            path_.string(), detail::lock_holder(lock_));
    }
    // Whoever held it may have removed it in between.
  } while (::fstat(lock_.get(), &held) != 0 || ::stat(file.c_str(), &named) != 0 ||
           held.st_ino != named.st_ino);
}

POSTTRAIN_INLINE RunFolder::~RunFolder() {
  if (!lock_ || !created_) return;
  std::error_code ignored;
  const auto entries = std::distance(io::fs::directory_iterator(path_, ignored), {});
  if (entries != 1) return;
  ::unlink((path_ / "lock").c_str());
  ::rmdir(path_.c_str());
}

POSTTRAIN_INLINE io::fs::path RunFolder::set_aside(const std::string& metrics_file) const {
  io::fs::path aside;
  // Checkpoints first: a kill in between leaves nothing to resume from by mistake.
  for (const std::string& name :
       {std::string("checkpoints"), metrics_file, std::string("run.json"), std::string("best")}) {
    if (path_.empty() || !io::fs::exists(path_ / name)) continue;
    for (int n = 1; aside.empty(); ++n) {
      const io::fs::path candidate = path_ / fmt::format("earlier-{}", n);
      if (!io::fs::exists(candidate)) aside = candidate;
    }
    io::create_folders(aside);
    if (::rename((path_ / name).c_str(), (aside / name).c_str()) != 0) {
      io::raise_errno("setting aside of", path_ / name);
    }
  }
  if (!aside.empty()) {
    io::sync_folder(aside);
    io::sync_folder(path_);
  }
  return aside;
}

POSTTRAIN_INLINE void RunFolder::check_outside_of(const io::fs::path& output) const {
  if (path_.empty()) return;
  const io::fs::path whole = detail::real_path(output);
  const auto [end, ignored] = std::mismatch(whole.begin(), whole.end(), path_.begin(), path_.end());
  if (end != whole.end()) return;
  raise(
      "run_dir {} lies in {}, which is replaced as a whole by the saved model; hint: a run_dir "
      "beside it",
      path_.string(), output.string());
}

}  // namespace posttrain
