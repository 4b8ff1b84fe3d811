// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/schedule.hpp"

#include <vector>

#include "support/catch.hpp"

using namespace posttrain;
using optim::LrScheduler;
using optim::Schedule;

namespace {

double factor(const Schedule& schedule, std::int64_t step, std::int64_t warmup,
              std::int64_t total) {
  return schedule.factor(step, warmup, total, 1.0);
}

/// Ten steps, of which the first four warm up.
std::vector<double> all(const Schedule& schedule) {
  std::vector<double> factors;
  for (std::int64_t step = 0; step <= 10; ++step) factors.push_back(factor(schedule, step, 4, 10));
  return factors;
}

const double kPi = std::acos(-1.0);

}  // namespace

TEST_CASE("warm-up rises from zero in equal steps", "[optim]") {
  for (const LrScheduler type :
       {LrScheduler::linear, LrScheduler::cosine, LrScheduler::cosine_with_restarts,
        LrScheduler::polynomial, LrScheduler::constant_with_warmup, LrScheduler::inverse_sqrt,
        LrScheduler::cosine_with_min_lr}) {
    const std::vector<double> factors = all({.type = type});
    for (int step = 0; step < 4; ++step) CHECK(factors[step] == step / 4.0);
    CHECK(factors[4] == Approx(1.0).epsilon(1e-15));
  }
  // Without warm-up the first step has the whole rate.
  CHECK(factor({.type = LrScheduler::linear}, 0, 0, 10) == 1.0);
  CHECK(factor({.type = LrScheduler::cosine}, 0, 0, 10) == 1.0);
}

TEST_CASE("linear and cosine fall to zero at the end", "[optim]") {
  const std::vector<double> linear = all({.type = LrScheduler::linear});
  const std::vector<double> cosine = all({.type = LrScheduler::cosine});
  for (int step = 4; step <= 10; ++step) {
    CHECK(linear[step] == Approx((10 - step) / 6.0).epsilon(1e-15));
    CHECK(cosine[step] == Approx(0.5 * (1 + std::cos(kPi * (step - 4) / 6.0))).margin(1e-15));
  }
  CHECK(factor({.type = LrScheduler::linear}, 14, 4, 10) == 0.0);
}

TEST_CASE("constants stay", "[optim]") {
  for (const double f : all({.type = LrScheduler::constant})) CHECK(f == 1.0);
  const std::vector<double> warmed = all({.type = LrScheduler::constant_with_warmup});
  for (int step = 4; step <= 10; ++step) CHECK(warmed[step] == 1.0);
}

TEST_CASE("hard restarts begin again at the whole rate", "[optim]") {
  const Schedule schedule{.type = LrScheduler::cosine_with_restarts, .num_cycles = 2};
  const std::vector<double> factors = all(schedule);
  CHECK(factors[4] == 1.0);
  CHECK(factors[6] == Approx(0.25).epsilon(1e-12));  // two thirds of the first cycle
  CHECK(factors[7] == Approx(1.0).epsilon(1e-12));
  CHECK(factors[10] == 0.0);
}

TEST_CASE("polynomial decay ends at its absolute rate", "[optim]") {
  const Schedule schedule{.type = LrScheduler::polynomial, .power = 2.0, .lr_end = 1e-6};
  const double rate = 1e-4;
  for (int step = 4; step <= 10; ++step) {
    const double remaining = 1.0 - (step - 4) / 6.0;
    CHECK(schedule.factor(step, 4, 10, rate) * rate ==
          Approx((1e-4 - 1e-6) * remaining * remaining + 1e-6).epsilon(1e-12));
  }
  CHECK(schedule.factor(11, 4, 10, rate) * rate == Approx(1e-6).epsilon(1e-12));
}

TEST_CASE("the inverse square root decays by its time scale", "[optim]") {
  const Schedule schedule{.type = LrScheduler::inverse_sqrt};
  CHECK(factor(schedule, 16, 4, 10) == Approx(0.5).epsilon(1e-15));     // time scale = warm-up
  CHECK(factor(schedule, 30000, 0, 10) == Approx(0.5).epsilon(1e-15));  // 10,000 without one
  CHECK(factor({.type = LrScheduler::inverse_sqrt, .timescale = 3}, 13, 4, 10) ==
        Approx(0.5).epsilon(1e-15));
}

TEST_CASE("schedules with a least rate stay above it", "[optim]") {
  Schedule schedule{.type = LrScheduler::cosine_with_min_lr, .min_lr_rate = 0.1};
  CHECK(factor(schedule, 10, 4, 10) == Approx(0.1).epsilon(1e-12));
  CHECK(factor(schedule, 7, 4, 10) == Approx(0.55).epsilon(1e-12));
  schedule.type = LrScheduler::cosine_warmup_with_min_lr;
  CHECK(factor(schedule, 0, 4, 10) == 0.25);  // its warm-up starts above zero
  CHECK(factor(schedule, 9, 4, 10) == Approx(0.1).epsilon(1e-12));
}

TEST_CASE("warm-up, stable, decay has its three stages", "[optim]") {
  const Schedule schedule{
      .type = LrScheduler::warmup_stable_decay, .min_lr_rate = 0.2, .decay_steps = 4};
  const std::vector<double> factors = all(schedule);
  CHECK(factors[0] == Approx(0.2).epsilon(1e-12));
  CHECK(factors[2] == Approx(0.6).epsilon(1e-12));
  CHECK(factors[4] == 1.0);
  CHECK(factors[5] == 1.0);
  CHECK(factors[6] == Approx(1.0).epsilon(1e-12));
  CHECK(factors[8] == Approx(0.6).epsilon(1e-12));
  CHECK(factors[10] == 0.2);
}

TEST_CASE("no schedule leaves [0, 1], whatever the lengths", "[optim]") {
  for (int type = 0; type <= static_cast<int>(LrScheduler::warmup_stable_decay); ++type) {
    for (const std::int64_t warmup : {0, 1, 5, 20}) {
      for (const std::int64_t total : {1, 5, 19}) {
        const Schedule schedule{.type = static_cast<LrScheduler>(type), .decay_steps = 2};
        for (std::int64_t step = 0; step < total; ++step) {
          INFO("type " << type << " step " << step << " warm-up " << warmup << " of " << total);
          const double f = factor(schedule, step, warmup, total);
          CHECK(f >= 0.0);
          CHECK(f <= 1.0);
        }
      }
    }
  }
}

TEST_CASE("bad values of a schedule are refused", "[optim]") {
  CHECK_NOTHROW(Schedule{}.validate());
  CHECK_THROWS_WITH(Schedule{.num_cycles = -1}.validate(),
                    "posttrain: Schedule.num_cycles must not be negative");
  CHECK_THROWS_WITH(Schedule{.lr_end = -1}.validate(),
                    "posttrain: Schedule.lr_end must not be negative");
  CHECK_THROWS_WITH(Schedule{.min_lr_rate = 1.5}.validate(),
                    "posttrain: Schedule.min_lr_rate must be in [0, 1]");
  CHECK_THROWS_WITH(Schedule{.decay_steps = -1}.validate(),
                    "posttrain: Schedule.decay_steps must not be negative");
}
