// expected: AfterStepp
// SPDX-License-Identifier: Apache-2.0
// A callback whose only hook is misspelt: the compiler's error about the name is the only one.
#include "posttrain/trainer/run/callbacks.hpp"

using namespace posttrain;

struct Report {
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
