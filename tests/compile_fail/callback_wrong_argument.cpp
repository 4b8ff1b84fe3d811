// expected: posttrain: a callback needs `void on(event::AfterStep)` or another event [docs/concepts.md#events]
// SPDX-License-Identifier: Apache-2.0
// The right name with the wrong argument is no hook.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

struct Report {
#ifdef LEGAL
  void on(const event::AfterStep&) {}
#else
  void on(const StepMetrics&) {}
#endif
};

int main() {
  Callbacks callbacks;
  callbacks.add(Report{});
}
