// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <string>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using posttrain::Philox4x32;
using posttrain::io::AtomicFolder;
using posttrain::io::check_replaceable;
using posttrain::io::create_folders;
using posttrain::io::recover_folder;
using posttrain::io::Swap;
using posttrain::io::TemporaryFolder;
using posttrain::io::write_file_atomically;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

void write_version(const fs::path& target, int version, Swap swap = Swap::kExchange) {
  AtomicFolder folder(target, nullptr, swap);
  for (const char* name : {"a", "b", "c"}) {
    posttrain::io::OutputFile file(folder.path() / name);
    for (int part = 0; part < 20; ++part) file.write(std::to_string(version) + "\n");
    file.close();
  }
  folder.commit("c");
}

/// Number of entries beside the target, hidden ones included.
int entries(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

/// A child writes version after version until it is killed `microseconds` after its start.
void write_until_killed(const fs::path& target, Swap swap, unsigned microseconds) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      for (int version = 1;; ++version) write_version(target, version, swap);
    } catch (...) {
    }
    ::_exit(1);
  }
  ::usleep(microseconds);
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));  // not an exception in the child
}

void kill_at_random_moments(Swap swap) {
  const TempFolder scratch;
  const fs::path target = scratch / "model";
  Philox4x32 rng(20260101, swap == Swap::kExchange ? 0 : 1);
  write_version(target, 0, swap);
  for (int round = 0; round < 40; ++round) {
    write_until_killed(target, swap, static_cast<unsigned>(500 + rng.below(12000)));
    recover_folder(target);
    const std::string content = slurp(target / "a");
    INFO("round " << round);
    REQUIRE(content.size() >= 40);
    const std::string line = content.substr(0, content.find('\n') + 1);
    std::string expected;
    for (int part = 0; part < 20; ++part) expected += line;
    REQUIRE(content == expected);
    REQUIRE(slurp(target / "b") == content);
    REQUIRE(slurp(target / "c") == content);
    REQUIRE(entries(target) == 3);
  }
  // The next writer clears away what the killed ones left.
  write_version(target, -1, swap);
  CHECK(entries(scratch.path()) == 1);
  CHECK(slurp(target / "c").starts_with("-1\n"));
}

}  // namespace

TEST_CASE("a writer killed at any moment leaves the old folder or the new one") {
  kill_at_random_moments(Swap::kExchange);
}

TEST_CASE("the two-rename fall-back leaves a whole folder after recovery") {
  kill_at_random_moments(Swap::kTwoRenames);
}

TEST_CASE("a folder that is filled in place is whole or lacks the file that is read first") {
  const TempFolder scratch;
  const fs::path target = scratch / "volume";
  Philox4x32 rng(20260101, 2);
  for (int round = 0; round < 25; ++round) {
    write_version(target, 0, Swap::kInPlace);
    write_until_killed(target, Swap::kInPlace, static_cast<unsigned>(500 + rng.below(40000)));
    if (!fs::exists(target / "c")) continue;
    CHECK(slurp(target / "a") == slurp(target / "c"));
    CHECK(slurp(target / "b") == slurp(target / "c"));
  }
  scratch.write("volume/extra", "of an older content");
  fs::create_directory(target / "lost+found");
  write_version(target, -1, Swap::kInPlace);
  CHECK(slurp(target / "c").starts_with("-1\n"));
  CHECK(entries(target) == 4);  // a, b, c, lost+found
}

TEST_CASE("a folder of a parent that may not be written is filled in place") {
  if (::geteuid() == 0) {
    WARN("skipped: the superuser may write everywhere");
    return;
  }
  const TempFolder scratch;
  fs::create_directories(scratch / "readonly/volume");
  fs::permissions(scratch / "readonly", fs::perms::owner_read | fs::perms::owner_exec);
  write_version(scratch / "readonly/volume", 2);
  CHECK(slurp(scratch / "readonly/volume/c").starts_with("2\n"));
  CHECK(contains(error_of([&] { AtomicFolder folder(scratch / "readonly/new"); }),
                 "cannot create folder"));
  fs::permissions(scratch / "readonly", fs::perms::owner_all);
}

TEST_CASE("a mount point is filled in place") {
  const TempFolder scratch;
  fs::create_directory(scratch / "volume");
  if (::mount("none", (scratch / "volume").c_str(), "tmpfs", 0, "size=1m") != 0) {
    WARN("skipped: no right to mount");
    return;
  }
  write_version(scratch / "volume", 1);
  write_version(scratch / "volume", 2);
  const std::string content = slurp(scratch / "volume/c");
  const int left = entries(scratch / "volume");
  ::umount((scratch / "volume").c_str());
  CHECK(content.starts_with("2\n"));
  CHECK(left == 3);
  CHECK(entries(scratch.path()) == 1);
}

TEST_CASE("what cannot be replaced is refused before any work") {
  const TempFolder scratch;
  fs::create_symlink("nowhere", scratch / "link");
  CHECK(contains(error_of([&] { check_replaceable(scratch / "link"); }),
                 "link is a link to nowhere, where nothing is; hint: remove the link"));
  scratch.write("file", "text");
  CHECK(contains(error_of([&] { check_replaceable(scratch / "file/model"); }), "found a file"));
  fs::create_directory(scratch / "model");
  scratch.write("model/a", "1");
  check_replaceable(scratch / "model");
  check_replaceable(scratch / "new");
  CHECK(slurp(scratch / "model/a") == "1");
  CHECK(entries(scratch.path()) == 3);
}

TEST_CASE("two makers of temporary folders never meet, and a held one is not swept") {
  const TempFolder scratch;
  // Of process 1, which lives: the first process of another container. Locked by nobody, and old.
  fs::create_directory(scratch / ".model.tmp-1-0123456789abcdef");
  write_version(scratch / "model", 1);
  CHECK(fs::exists(scratch / ".model.tmp-1-0123456789abcdef"));  // may be new: not locked yet
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ::utimensat(AT_FDCWD, (scratch / ".model.tmp-1-0123456789abcdef").c_str(), long_ago, 0);
  write_version(scratch / "model", 2);
  CHECK_FALSE(fs::exists(scratch / ".model.tmp-1-0123456789abcdef"));
  const TemporaryFolder first(scratch.path(), "model"), second(scratch.path(), "model");
  CHECK(first.path() != second.path());
}

TEST_CASE("folders are created with their parents") {
  const TempFolder scratch;
  create_folders(scratch / "a/b/c/");
  create_folders(scratch / "a/b/c");
  CHECK(fs::is_directory(scratch / "a/b/c"));
  scratch.write("file", "");
  CHECK(contains(error_of([&] { create_folders(scratch / "file/d"); }), "Not a directory"));
  CHECK(contains(error_of([&] { create_folders(scratch / "file"); }), "found a file"));
}

TEST_CASE("recover_folder puts back a folder that was set aside") {
  const TempFolder scratch;
  fs::create_directory(scratch / ".model.old");
  scratch.write(".model.old/a", "1");
  CHECK(recover_folder(scratch / "model"));
  CHECK(slurp(scratch / "model/a") == "1");
  CHECK_FALSE(recover_folder(scratch / "model"));
}

TEST_CASE("an uncommitted folder leaves no trace") {
  const TempFolder scratch;
  {
    AtomicFolder folder(scratch / "model");
    scratch.write("elsewhere", "");
    posttrain::io::OutputFile(folder.path() / "a").write("half");
  }
  CHECK_FALSE(fs::exists(scratch / "model"));
  CHECK(entries(scratch.path()) == 1);
}

TEST_CASE("a temporary folder of a living process is left alone") {
  const TempFolder scratch;
  AtomicFolder first(scratch / "model");
  write_version(scratch / "model", 3, Swap::kExchange);
  CHECK(fs::exists(first.path()));
  fs::create_directory(scratch / ".model.tmp-notes");  // a user's own, with no process id
  write_version(scratch / "model", 4, Swap::kExchange);
  CHECK(fs::exists(scratch / ".model.tmp-notes"));
  posttrain::io::OutputFile(first.path() / "a").write("5\n");
  first.commit();
  CHECK(slurp(scratch / "model/a") == "5\n");
}

TEST_CASE("a folder with someone else's files is not replaced") {
  const TempFolder scratch;
  fs::create_directory(scratch / "home");
  scratch.write("home/thesis.tex", "years of work");
  const auto ours = [](std::string_view name) { return name == "config.json"; };
  const std::string error = error_of([&] { AtomicFolder folder(scratch / "home", ours); });
  CHECK(contains(error, "home holds 'thesis.tex'"));
  CHECK(slurp(scratch / "home/thesis.tex") == "years of work");
  CHECK(entries(scratch.path()) == 1);
}

TEST_CASE("a folder cannot take the place of a file") {
  const TempFolder scratch;
  scratch.write("model", "text");
  CHECK(contains(error_of([&] { AtomicFolder folder(scratch / "model"); }),
                 "expected a folder or nothing at"));
}

TEST_CASE("a symbolic link to a folder goes on pointing to the replaced one") {
  const TempFolder scratch;
  fs::create_directory(scratch / "real");
  fs::create_directory_symlink(scratch / "real", scratch / "link");
  write_version(scratch / "link", 9, Swap::kExchange);
  CHECK(fs::is_symlink(scratch / "link"));
  CHECK(slurp(scratch / "real/a").starts_with("9\n"));
}

TEST_CASE("a file is replaced as a whole") {
  const TempFolder scratch;
  write_file_atomically(scratch / "state.json", "{\"step\": 1}");
  write_file_atomically(scratch / "state.json", "{}");
  CHECK(slurp(scratch / "state.json") == "{}");
  CHECK(entries(scratch.path()) == 1);
  CHECK(contains(error_of([&] { write_file_atomically(scratch / "no/such/file", ""); }),
                 "failed: No such file or directory"));
}
