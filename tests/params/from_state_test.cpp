// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/from_state.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "support/catch.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using posttrain::test::SmallModel;

static_assert(!FromState<FullState>::has_reference);
static_assert(FromState<FrozenReferenceState<FullState>>::has_reference);

TEST_CASE("a state that is handed on is attached as it is", "[params]") {
  FullState state = Full{}.attach(SmallModel{});
  const Tensor master = state.trainable().at(0).master;
  master.fill_(0.25);
  const FromState policy{std::move(state)};
  const FullState attached = policy.attach(SmallModel{.tied = false});  // of no interest
  CHECK(attached.trainable().at(0).master.is_same(master));
  CHECK(attached.weights().size() == Full{}.attach(SmallModel{}).weights().size());
  CHECK(describe(policy) == "FromState{.state = \"ModelWeights\"}");
}
