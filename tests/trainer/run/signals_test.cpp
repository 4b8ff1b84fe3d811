// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/signals.hpp"

#include "support/catch.hpp"

using namespace posttrain;

namespace {

volatile std::sig_atomic_t heard = 0;

}  // namespace

TEST_CASE("a signal asks a run to stop, once", "[trainer][signals]") {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    const SignalGuard guard;
    CHECK(guard.stop_signal() == 0);  // what an earlier guard heard is forgotten
    std::raise(signal);
    CHECK(guard.stop_signal() == signal);
  }
}

TEST_CASE("the handlers of before are back after a run", "[trainer][signals]") {
  const auto former = std::signal(SIGTERM, [](int) { heard = heard + 1; });
  {
    const SignalGuard guard;
    std::raise(SIGTERM);
    CHECK(guard.stop_signal() == SIGTERM);
    CHECK(heard == 0);
  }
  std::raise(SIGTERM);
  CHECK(heard == 1);
  std::signal(SIGTERM, former);
}

TEST_CASE("a run that leaves signals alone changes nothing of them", "[trainer][signals]") {
  heard = 0;
  std::array<void (*)(int), SignalGuard::kStopping.size()> former{};
  for (std::size_t i = 0; i < former.size(); ++i) {
    former[i] = std::signal(SignalGuard::kStopping[i], [](int) { heard = heard + 1; });
  }
  {
    const SignalGuard guard(false);
    for (const int signal : SignalGuard::kStopping) std::raise(signal);
    CHECK(guard.stop_signal() == 0);
    CHECK(heard == 4);
    CHECK(std::raise(SIGXFSZ) == 0);  // a full disk is an error of the run in any case
  }
  for (const int signal : SignalGuard::kStopping) std::raise(signal);
  CHECK(heard == 8);
  for (std::size_t i = 0; i < former.size(); ++i) {
    std::signal(SignalGuard::kStopping[i], former[i]);
  }
}

TEST_CASE("a file beyond the limit on its size is no end of the process", "[trainer][signals]") {
  const SignalGuard guard;
  CHECK(std::raise(SIGXFSZ) == 0);
  CHECK(guard.stop_signal() == 0);
}
