// SPDX-License-Identifier: Apache-2.0
// A folder for one run of a program, gone with all that it holds when the run ends.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/io/file.hpp"

namespace posttrain::rewards {

class ScratchFolder {
 public:
  /// Makes a folder of a new name in `parent`; empty: in $TMPDIR, or /tmp.
  explicit ScratchFolder(const std::string& parent);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  const io::fs::path& path() const { return path_; }

  /// Writes a file of the folder, readable for the program's user.
  void write(std::string_view name, std::string_view content) const;

 private:
  io::fs::path path_;
  bool owned_by_nobody_ = false;
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/process/impl/scratch_folder.ipp"
#endif
