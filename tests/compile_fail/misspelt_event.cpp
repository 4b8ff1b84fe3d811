// expected: did you mean
// SPDX-License-Identifier: Apache-2.0
// A misspelt event does not compile, and the compiler knows the right one.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

struct Report {
  void on(const event::TrainEnd&) {}
#ifdef LEGAL
  void on(const event::AfterStep&) {}
#else
  void on(const event::AfterStepp&) {}
#endif
};

int main() {
  Callbacks callbacks;
  callbacks.add(Report{});
}
