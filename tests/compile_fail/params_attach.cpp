// expected: posttrain: Params needs `State attach(const auto& model) const` [docs/concepts.md#params]
// SPDX-License-Identifier: Apache-2.0
// A parameter policy that attaches to nothing.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyParams {
#ifdef LEGAL
  fake::ParamsState attach(const auto& model) const;
#endif
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
