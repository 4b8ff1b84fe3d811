// expected: posttrain: Loss and Data disagree on the batch type [docs/concepts.md#batches]
// SPDX-License-Identifier: Apache-2.0
// A loss on single sequences with data of pairs.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct OtherBatch {};
struct Pairs {
#ifdef LEGAL
  using Batch = TokenBatch;
#else
  using Batch = OtherBatch;
#endif
  fake::Stream<Batch> open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, Pairs, fake::Optimizer>() ? 0 : 1;
}
