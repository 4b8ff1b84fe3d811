// expected: private
// SPDX-License-Identifier: Apache-2.0
// A private hook: it is named, not silently ignored.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

class Report {
#ifdef LEGAL
 public:
#endif
  void on(event::AfterStep) {}
};

int main() {
  Callbacks callbacks;
  callbacks.add(Report{});
}
