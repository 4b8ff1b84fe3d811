// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/learning_rate_schedule.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using optim::LrScheduler;
using posttrain::test::error_of;

TEST_CASE("a schedule is given by its name or with arguments", "[recipes]") {
  CHECK(LearningRateSchedule("linear").schedule().type == LrScheduler::linear);
  CHECK(LearningRateSchedule(std::string("warmup_stable_decay")).schedule().type ==
        LrScheduler::warmup_stable_decay);
  CHECK(LearningRateSchedule(LrScheduler::constant).schedule().type == LrScheduler::constant);
  const LearningRateSchedule least =
      optim::Schedule{.type = LrScheduler::cosine_with_min_lr, .min_lr_rate = 0.1};
  CHECK(least.schedule().min_lr_rate == 0.1);
  constexpr LearningRateSchedule kConstant = LrScheduler::polynomial;
  static_assert(kConstant.schedule().type == LrScheduler::polynomial);
}

TEST_CASE("a schedule is described by its name, and by all where it has arguments", "[recipes]") {
  CHECK(LearningRateSchedule("inverse_sqrt").description() == "inverse_sqrt");
  const std::string all =
      LearningRateSchedule(optim::Schedule{.type = LrScheduler::linear, .power = 2}).description();
  CHECK(all.starts_with("Schedule{.type = linear, "));
  CHECK(test::contains(all, ".power = 2, "));
}

TEST_CASE("a name that no schedule has is an error that lists all", "[recipes]") {
  CHECK(error_of([] { LearningRateSchedule{"cosin"}; }) ==
        "expected one of linear, cosine, cosine_with_restarts, polynomial, constant, "
        "constant_with_warmup, inverse_sqrt, cosine_with_min_lr, cosine_warmup_with_min_lr, "
        "warmup_stable_decay, got \"cosin\"");
}
