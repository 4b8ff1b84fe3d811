// SPDX-License-Identifier: Apache-2.0
// Files and folders that are replaced as a whole: a kill at any moment leaves the old content or
// the new one, never a mixture.
//
// Built beside the target (`.<name>.tmp-<pid>-<n>`, same file system), flushed, then renamed over
// it; for folders the two names are exchanged in one system call (renameat2, RENAME_EXCHANGE).
// Where the file system lacks that, two renames; `recover_folder` repairs a kill between them.
// Temporary entries of processes that are gone are removed by the next writer of the same target.
#pragma once

#include <functional>
#include <string_view>

#include "posttrain/io/file.hpp"

namespace posttrain::io {

/// A file under construction, beside its target. Destroyed without `commit`, it leaves the target
/// as it was.
class AtomicFile {
 public:
  explicit AtomicFile(const fs::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::string_view text) { file_.write(text); }

  /// Puts the file in place, flushed to disk.
  void commit();

 private:
  static fs::path prepare(const fs::path& target);

  fs::path target_;
  OutputFile file_;
  bool committed_ = false;
};

/// Replaces `path` by a file with this content.
void write_file_atomically(const fs::path& path, std::string_view content);

/// Puts back what a kill between the two renames of the fall-back left aside. Readers call it when
/// a folder they expect is missing. True if something was put back.
bool recover_folder(const fs::path& folder);

/// How `AtomicFolder` puts the new folder in place; `kTwoRenames` forces the fall-back (for tests).
enum class Swap { kExchange, kTwoRenames };

/// A folder under construction. Write files under `path()`, then `commit()`. Destroyed without
/// commit, it leaves the target as it was.
class AtomicFolder {
 public:
  /// `replaceable(name)`: which entries an existing target may hold; another one is an error now,
  /// before any work, since replacing the folder would delete it. Without it, anything goes.
  explicit AtomicFolder(const fs::path& target,
                        const std::function<bool(std::string_view)>& replaceable = nullptr,
                        Swap swap = Swap::kExchange);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  /// Where to write; valid until `commit`.
  const fs::path& path() const { return temporary_; }
  const fs::path& target() const { return target_; }

  /// Flushes everything and puts the new folder in place of the old one, which is deleted.
  void commit();

 private:
  /// Exchanges the two names; returns false where this file system or kernel cannot.
  bool exchange() const;

  fs::path target_;
  Swap swap_;
  fs::path temporary_;
  Descriptor lock_;
  bool committed_ = false;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/atomic_file.ipp"
#endif
