// expected: posttrain: Wpo takes a loss on pairs that does not couple them [docs/losses.md#wpo]
// SPDX-License-Identifier: Apache-2.0
// Weighting the pairs of a loss that sorts them.
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/wpo.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  [[maybe_unused]] const Wpo<Dpo> loss;
#else
  [[maybe_unused]] const Wpo<AotPair> loss;
#endif
  return decltype(loss)::needs_reference ? 1 : 0;
}
