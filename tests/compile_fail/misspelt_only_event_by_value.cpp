// expected: AfterStepp
// SPDX-License-Identifier: Apache-2.0
// The same with the event by value, in a class with other members.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

class Report {
 public:
#ifdef LEGAL
  void on(event::AfterStep) {}
#else
  void on(event::AfterStepp) {}
#endif
  void report() const {}
};

int main() {
  Callbacks callbacks;
  callbacks.add(Report{});
}
