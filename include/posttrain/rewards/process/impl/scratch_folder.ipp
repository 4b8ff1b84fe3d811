// SPDX-License-Identifier: Apache-2.0
// Definitions of scratch_folder.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/process/run_process.hpp"
#include "posttrain/rewards/process/scratch_folder.hpp"

namespace posttrain::rewards {

namespace detail {

/// Makes folders that a program closed to itself removable again.
inline void open_folders(const io::fs::path& folder, int depth) {
  constexpr int kDeepest = 1000;
  ::chmod(folder.c_str(), 0700);
  std::error_code ignored;
  for (const auto& entry : io::fs::directory_iterator(folder, ignored)) {
    if (depth < kDeepest && entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
      open_folders(entry.path(), depth + 1);
    }
  }
}

}  // namespace detail

POSTTRAIN_INLINE ScratchFolder::ScratchFolder(const std::string& parent) {
  const char* from_environment = std::getenv("TMPDIR");
  io::fs::path place = parent;
  if (parent.empty()) {
    place = from_environment != nullptr && *from_environment != '\0' ? from_environment : "/tmp";
  }
  std::string pattern = (io::fs::absolute(place) / "posttrain-command-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) io::raise_errno("mkdtemp", pattern);
  path_ = pattern;
  // The program of a root process runs as the folder's user (run_process.hpp). The root of a user
  // namespace may know no other one.
  owned_by_nobody_ = ::geteuid() == 0 && ::chown(path_.c_str(), kNobody, kNobody) == 0;
}

POSTTRAIN_INLINE ScratchFolder::~ScratchFolder() {
  std::error_code error;
  io::fs::remove_all(path_, error);
  if (!error) return;
  detail::open_folders(path_, 0);
  io::fs::remove_all(path_, error);
}

POSTTRAIN_INLINE void ScratchFolder::write(std::string_view name, std::string_view content) const {
  const io::fs::path file = path_ / name;
  const io::Descriptor descriptor(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!descriptor) io::raise_errno("open", file);
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) io::raise_errno("write", file);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (owned_by_nobody_ && ::fchown(descriptor.get(), kNobody, kNobody) != 0) {
    io::raise_errno("chown", file);
  }
}

}  // namespace posttrain::rewards
