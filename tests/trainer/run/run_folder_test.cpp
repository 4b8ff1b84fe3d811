// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/run_folder.hpp"

#include <sys/wait.h>

#include <optional>

#include "posttrain/tensor/tensor.hpp"  // what is compiled of trainer/ links LibTorch
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using posttrain::RunFolder;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

TEST_CASE("a folder is held by one run at a time", "[trainer][run]") {
  const TempFolder scratch;
  const std::string path = (scratch / "runs/a").string();
  std::optional<RunFolder> first(path);
  CHECK(first->path() == fs::canonical(path));
  const std::string error = error_of([&] { RunFolder second(path); });
  CHECK(contains(error, "runs/a is in use by another Trainer of this program; hint: choose"));
  scratch.write("runs/a/metrics.jsonl", "");
  first.reset();
  CHECK_NOTHROW(RunFolder(path));
  CHECK(fs::exists(path));
  CHECK(RunFolder("").empty());
  // Made for a run that wrote nothing: it goes with it.
  { const RunFolder unused((scratch / "runs/b").string()); }
  CHECK_FALSE(fs::exists(scratch / "runs/b"));
}

TEST_CASE("a folder that another process holds is refused with its number", "[trainer][run]") {
  const TempFolder scratch;
  const std::string path = (scratch / "run").string();
  int ready[2], done[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(done) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  char byte = 0;
  if (child == 0) {
    const RunFolder held(path);
    [[maybe_unused]] const auto told = ::write(ready[1], &byte, 1);
    ::close(done[1]);
    [[maybe_unused]] const auto asked = ::read(done[0], &byte, 1);
    ::_exit(0);
  }
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(contains(error_of([&] { RunFolder second(path); }),
                 fmt::format("is in use by process {};", child)));
  ::close(done[0]);
  ::close(done[1]);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_NOTHROW(RunFolder(path));
}

TEST_CASE("what an earlier run left is set aside", "[trainer][run]") {
  const TempFolder scratch;
  const RunFolder folder((scratch / "run").string());
  CHECK(folder.set_aside("metrics.jsonl").empty());
  for (const char* expected : {"earlier-1", "earlier-2"}) {
    fs::create_directories(scratch / "run/checkpoints/step-00000006");
    scratch.write("run/metrics.jsonl", expected);
    CHECK(folder.set_aside("metrics.jsonl").filename() == expected);
    CHECK(slurp(scratch / "run" / expected / "metrics.jsonl") == expected);
    CHECK(fs::exists(scratch / "run" / expected / "checkpoints/step-00000006"));
    CHECK_FALSE(fs::exists(scratch / "run/checkpoints"));
    CHECK_FALSE(fs::exists(scratch / "run/metrics.jsonl"));
  }
}

TEST_CASE("an output that would delete the run's folder is refused", "[trainer][run]") {
  const TempFolder scratch;
  const RunFolder folder((scratch / "out/run").string());
  for (const char* inside : {"out", "out/", "out/run", "."}) {
    CHECK(contains(error_of([&] { folder.check_outside_of(scratch / inside); }),
                   "which is replaced as a whole by the saved model; hint: a run_dir beside it"));
  }
  for (const char* outside : {"out2", "out/model", "out/run/model", "out/run2"}) {
    CHECK_NOTHROW(folder.check_outside_of(scratch / outside));
  }
  CHECK_NOTHROW(RunFolder("").check_outside_of(scratch.path()));
}
