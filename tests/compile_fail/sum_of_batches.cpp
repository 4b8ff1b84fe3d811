// expected: posttrain: terms of a sum of losses need one batch type; OnChosen{…} and OnRejected{…} make a loss on tokens one on pairs [docs/losses.md#sums]
// SPDX-License-Identifier: Apache-2.0
// A loss on pairs plus a loss on tokens.
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  [[maybe_unused]] const auto loss = Dpo{} + 1.0 * OnChosen{NextToken{}};
#else
  [[maybe_unused]] const auto loss = Dpo{} + 1.0 * NextToken{};
#endif
  return 0;
}
