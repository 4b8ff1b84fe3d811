// expected: posttrain: this Loss needs a reference model and these Params have none [docs/concepts.md#reference]
// SPDX-License-Identifier: Apache-2.0
// A loss that compares with a reference, with parameters that keep none.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss : fake::Loss {
  static constexpr bool needs_reference = true;
};
struct MyParams : fake::Params {
#ifdef LEGAL
  static constexpr bool has_reference = true;
#endif
};

int main() {
  return check_trainer<fake::Model, MyLoss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
