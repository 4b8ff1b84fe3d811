// SPDX-License-Identifier: Apache-2.0
// Files and folders that are replaced as a whole: a kill at any moment leaves the old content or
// the new one, never a mixture.
//
// Built beside the target (`.<name>.tmp-<pid>-<random>`, same file system), flushed, then renamed
// over it; for folders the two names are exchanged in one system call (renameat2, RENAME_EXCHANGE).
// Where the file system lacks that, two renames; `recover_folder` repairs a kill between them.
// A folder that cannot be renamed (a mount point, as a container's volume; a parent that may not be
// written) is filled in place, file by file.
// Temporary entries are locked (flock) by their makers, in whatever container they run; those that
// nobody holds are removed by the next writer of the same target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
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
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    file_.write_at(offset, bytes);
  }

  /// Where it stands until `commit`.
  const fs::path& path() const { return file_.path(); }
  const fs::path& target() const { return target_; }

  /// Puts the file in place, flushed to disk.
  void commit();

 private:
  fs::path target_;
  OutputFile file_;
  bool committed_ = false;
};

/// Replaces `path` by a file with this content.
void write_file_atomically(const fs::path& path, std::string_view content);

/// Puts back what a kill between the two renames of the fall-back left aside. Readers call it when
/// a folder they expect is missing. True if something was put back.
bool recover_folder(const fs::path& folder);

/// Creates a folder and its parents, each flushed into the one above.
void create_folders(const fs::path& folder);

/// Removes what dead processes left of files and folders under construction in `folder`.
void sweep_abandoned(const fs::path& folder);

/// How `AtomicFolder` puts the new folder in place. `kExchange` is what it tries first; the others
/// force a fall-back (for tests).
enum class Swap { kExchange, kTwoRenames, kInPlace };

/// A folder of a name that no one else has, which goes when this object does.
class TemporaryFolder {
 public:
  /// `<parent>/.<name>.tmp-<pid>-<random>`, locked.
  TemporaryFolder(const fs::path& parent, std::string_view name);
  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&& other) noexcept;
  ~TemporaryFolder();

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Descriptor lock_;
};

/// A folder under construction. Write files under `path()`, then `commit()`. Destroyed without
/// commit, it leaves the target as it was.
class AtomicFolder {
 public:
  /// `replaceable(name)`: which entries an existing target may hold; another one is an error now,
  /// before any work, since replacing the folder would delete it. Without it, anything goes.
  /// A target that could not be replaced is an error now, too: a file, a link to nothing, a folder
  /// that may not be written.
  explicit AtomicFolder(const fs::path& target,
                        const std::function<bool(std::string_view)>& replaceable = nullptr,
                        Swap swap = Swap::kExchange);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write; valid until `commit`.
  const fs::path& path() const { return temporary_.path(); }
  const fs::path& target() const { return target_; }

  /// Flushes everything and puts the new folder in place of the old one, which is deleted. Filled
  /// in place, the target loses its file `first_read` before all and gets the new one after all: a
  /// kill in between leaves no folder that a reader takes for whole.
  void commit(std::string_view first_read = {});

 private:
  /// The folder to write in, and the way that it can get to its place.
  TemporaryFolder prepared();
  void check_entries(const std::function<bool(std::string_view)>& replaceable) const;
  /// Exchanges the two names; returns false where this file system or kernel cannot.
  bool exchange() const;
  void fill(std::string_view first_read) const;

  fs::path target_;
  Swap swap_;
  TemporaryFolder temporary_;
  bool committed_ = false;
};

/// Throws what writing an `AtomicFolder` to `target` would throw, and leaves it as it is.
void check_replaceable(const fs::path& target,
                       const std::function<bool(std::string_view)>& replaceable = nullptr);

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/atomic_file.ipp"
#endif
