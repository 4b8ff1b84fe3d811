// expected: value must be at least 0
// SPDX-License-Identifier: Apache-2.0
// A failing check in a constant expression is one error that shows its literal.
#include "posttrain/base/error.hpp"

constexpr int checked(int value) {
  if (value < 0) posttrain::fail("value must be at least 0");
  return value;
}

#ifdef LEGAL
constexpr int kValue = checked(1);
#else
constexpr int kValue = checked(-1);
#endif

int main() { return kValue; }
