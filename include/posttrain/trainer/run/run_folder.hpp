// SPDX-License-Identifier: Apache-2.0
// The folder of a run, held by one run at a time.
#pragma once

#include <string>

#include "posttrain/io/file.hpp"

namespace posttrain {

/// Holds the lock of a folder (flock on its file `lock`) for as long as it lives; two runs in one
/// folder would mix their files. On a file system without locks it holds nothing.
class RunFolder {
 public:
  /// No folder where `path` is empty; else creates it. A folder that another run holds is an error
  /// that names the process.
  explicit RunFolder(const std::string& path);
  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) noexcept = default;
  /// Removes the folder if it was made for this run and nothing was written: a run that is refused
  /// leaves no trace.
  ~RunFolder();

  /// Moves what an earlier run left (checkpoints, metrics, record, best model) into a new folder
  /// `earlier-<n>` within; returns that folder, or an empty path where there was nothing.
  io::fs::path set_aside(const std::string& metrics_file) const;

  /// Throws if writing `output` as a whole would delete this folder.
  void check_outside_of(const io::fs::path& output) const;

  bool empty() const { return path_.empty(); }
  const io::fs::path& path() const { return path_; }

 private:
  io::fs::path path_;
  io::Descriptor lock_;
  bool created_ = false;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/run_folder.ipp"
#endif
