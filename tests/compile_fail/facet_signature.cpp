// expected: posttrain: the facet `begin_batch` of a gate is `void begin_batch(const TokenBatch&, std::uint64_t seed, std::int64_t step)` with `void end_batch()` [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// The right name with other arguments would not be called.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState : fake::ParamsState {
#ifdef LEGAL
  void begin_batch(const TokenBatch& batch, std::uint64_t seed, std::int64_t step);
#else
  void begin_batch(const TokenBatch& batch);
#endif
  void end_batch();
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
