// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/signals.hpp"

#include "support/catch.hpp"

using namespace posttrain;

namespace {

volatile std::sig_atomic_t heard = 0;

}  // namespace

TEST_CASE("a signal asks a run to stop, once", "[trainer][signals]") {
  for (const int signal : {SIGTERM, SIGINT}) {
    const SignalGuard guard;
    CHECK_FALSE(guard.stop_requested());  // what an earlier guard heard is forgotten
    std::raise(signal);
    CHECK(guard.stop_requested());
  }
}

TEST_CASE("the handlers of before are back after a run", "[trainer][signals]") {
  const auto former = std::signal(SIGTERM, [](int) { heard = heard + 1; });
  {
    const SignalGuard guard;
    std::raise(SIGTERM);
    CHECK(guard.stop_requested());
    CHECK(heard == 0);
  }
  std::raise(SIGTERM);
  CHECK(heard == 1);
  std::signal(SIGTERM, former);
}
