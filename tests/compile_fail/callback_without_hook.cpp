// expected: posttrain: a callback needs `void on(event::AfterStep)` or another event [docs/concepts.md#events]
// SPDX-License-Identifier: Apache-2.0
// A callback that answers to no event would do nothing, silently.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

struct Report {
#ifdef LEGAL
  void on(event::AfterStep) {}
#else
  void after_step(event::AfterStep) {}
#endif
};

int main() {
  Callbacks callbacks;
  callbacks.add(Report{});
}
