// expected: posttrain: this Loss is on tokens and this Model gives rewards; take a Loss on rewards [docs/losses.md#bradleyterry]
// SPDX-License-Identifier: Apache-2.0
// A loss on tokens with a reward model.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

#ifdef LEGAL
using Model = fake::Model;
#else
struct Model : fake::Model {
  static constexpr bool predicts_rewards = true;
};
#endif

int main() {
  return check_trainer<Model, fake::Loss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
