// SPDX-License-Identifier: Apache-2.0
// What tests/rewards/command_test.cpp does not see: the parts of a result, and the parent's state.
#include "posttrain/rewards/process/run_process.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "posttrain/rewards/process/scratch_folder.hpp"
#include "support/catch.hpp"

using namespace posttrain::rewards;

namespace {

ProcessResult shell(const std::string& script, const ProcessLimits& limits = {},
                    const std::string& input = "") {
  const ScratchFolder folder("");
  return run_process({"/bin/sh", "-c", script}, {}, input, folder.path().string(), limits);
}

}  // namespace

TEST_CASE("output and errors are kept apart, whole up to the bound") {
  const ProcessResult result = shell("cat; echo bad >&2; exit 4", {}, "in\nput");
  CHECK(result.exit_status == 4);
  CHECK(result.signal == 0);
  CHECK(result.output == "in\nput");
  CHECK(result.errors == "bad\n");
  CHECK(result.seconds > 0.0);
  CHECK_FALSE(result.timed_out);
  const ProcessResult flood = shell("head -c 5000 /dev/zero; sleep 5", {.output = 1000});
  CHECK(flood.flooded);
  CHECK(flood.output.size() <= 1001);
}

TEST_CASE("a signal that ends the program is told") {
  const ProcessResult result = shell("kill -9 $$; sleep 5", {.seconds = 2.0, .namespaces = false});
  CHECK(result.signal == 9);
  CHECK(result.exit_status == -1);
}

TEST_CASE("the parent stays as it was") {
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  rlimit before{}, after{};
  ::getrlimit(RLIMIT_AS, &before);
  (void)shell("exit 0");
  ::getrlimit(RLIMIT_AS, &after);
  CHECK(::prctl(PR_GET_DUMPABLE) == dumpable);
  CHECK(before.rlim_cur == after.rlim_cur);
  CHECK_THROWS_WITH(run_process({"/no/such"}, {}, "", "/", {}),
                    Catch::Contains("expected /no/such to start"));
  CHECK(::prctl(PR_GET_DUMPABLE) == dumpable);
}
