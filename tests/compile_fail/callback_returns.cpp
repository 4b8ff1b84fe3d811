// expected: posttrain: a hook returns void or event::Request, on event::TrainEnd void [docs/concepts.md#events]
// SPDX-License-Identifier: Apache-2.0
// A bool would be taken for nothing, silently.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

struct StopsAtFive {
#ifdef LEGAL
  event::Request on(const event::AfterStep& e) { return {.stop = e.metrics.step == 5}; }
#else
  bool on(const event::AfterStep& e) { return e.metrics.step == 5; }
#endif
};

int main() {
  Callbacks callbacks;
  callbacks.add(StopsAtFive{});
}
