// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_moving_reference.hpp"

#include <cmath>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/named_tensors.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEMPLATE_TEST_CASE("a moving reference follows the policy", "[pairs][trainer][C25]", float,
                   c10::BFloat16) {
  const TempFolder scratch;
  constexpr at::ScalarType dtype = c10::CppTypeToScalarType<TestType>::value;
  const auto run = [&](double alpha, std::int64_t steps, const std::string& folder) {
    Options options = small_run(steps, 6);
    options.lr_scheduler = {.type = optim::LrScheduler::constant};
    options.run_dir = folder;
    options.checkpoint_steps = folder.empty() ? 0 : 3;
    Trainer trainer(tiny_model(dtype), Dpo{}, WithMovingReference{Full{}, alpha, 2}, fixed_pairs(),
                    AdamW{}, options);
    trainer.train();
    return std::pair(flat(trainer.state().weights()), flat(trainer.state().reference().weights()));
  };
  const auto start = run(1.0, 1, "");
  const auto hard = run(1.0, 2, "");
  CHECK(at::equal(hard.first.to(dtype), hard.second));
  CHECK_FALSE(at::equal(start.first.to(dtype), start.second));
  const auto soft = run(0.25, 2, "");
  CHECK(at::equal(soft.first, hard.first));  // the first two steps see the same reference
  const Tensor between = start.second.to(soft.first.scalar_type()).lerp(soft.first, 0.25);
  CHECK(at::equal(soft.second, between.to(dtype)));

  // The reference of step 2 is part of the checkpoint of step 3.
  const auto whole = run(0.25, 6, (scratch / "whole").string());
  run(0.25, 3, (scratch / "run").string());
  const auto resumed = run(0.25, 6, (scratch / "run").string());
  CHECK(at::equal(resumed.first, whole.first));
  CHECK(at::equal(resumed.second, whole.second));
}

TEST_CASE("a reference that would not move is refused", "[params]") {
  static_assert((WithMovingReference{Full{}, 1.0, 1}.validate(), true));
  for (const double alpha : {0.0, 1.5, std::nan("")}) {
    CHECK_THROWS_WITH((WithMovingReference{Full{}, alpha}.validate()),
                      "posttrain: WithMovingReference.alpha must be in (0, 1]");
  }
  CHECK_THROWS_WITH((WithMovingReference{Full{}, 0.5, 0}.validate()),
                    "posttrain: WithMovingReference.sync_steps must be at least 1");
  CHECK_THROWS_WITH((WithMovingReference{Full{.train = ""}}.validate()),
                    Catch::Contains("Full.train"));
}
