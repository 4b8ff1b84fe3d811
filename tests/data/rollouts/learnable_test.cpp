// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/learnable.hpp"

#include <vector>

#include "posttrain/data/rollouts/curriculum.hpp"
#include "support/catch.hpp"

using namespace posttrain;

static_assert(WeighsRecords<Learnable> && !WeighsRecords<NoCurriculum>);

namespace {

double weight(const Learnable& curriculum, const std::vector<double>& rewards) {
  return curriculum(0, rewards);
}

}  // namespace

TEST_CASE("A prompt that is solved half of the time weighs most", "[data][rollouts]") {
  CHECK(weight({}, {}) == 1.0);
  CHECK(weight({}, {0.5}) == Approx(1.0));
  CHECK(weight({}, {0.0}) == Approx(0.05));
  CHECK(weight({}, {1.0}) == Approx(0.05));
  CHECK(weight({.floor = 0.2}, {0.25}) == Approx(0.2 + 0.8 * 4.0 * 0.25 * 0.75));
  CHECK(weight({.floor = 0.0}, {0.75}) == Approx(0.75));
  CHECK(weight({.floor = 0.0}, {1.0}) == 0.0);
}

TEST_CASE("Rewards of the last visits are averaged, on a scale of their own", "[data][rollouts]") {
  const std::vector<double> rewards{1.0, 1.0, 0.0, 0.5};
  const auto at = [](double p) { return 4.0 * p * (1.0 - p); };
  CHECK(weight({.floor = 0.0}, rewards) == Approx(at(0.5)));
  CHECK(weight({.floor = 0.0, .visits = 2}, rewards) == Approx(at(0.25)));
  CHECK(weight({.floor = 0.0, .visits = 0}, rewards) == Approx(at(0.625)));
  CHECK(weight({.floor = 0.0, .visits = 9}, rewards) == Approx(at(0.625)));
  CHECK(weight({.floor = 0.0, .least = -1.0, .most = 3.0}, {0.0}) == Approx(at(0.25)));
  CHECK(weight({.floor = 0.0, .least = 0.0, .most = 0.5}, {0.75}) == 0.0);
}

TEST_CASE("Options of a curriculum are checked", "[data][rollouts]") {
  CHECK_NOTHROW(Learnable{}.validate());
  CHECK_THROWS_WITH(Learnable{.floor = 1.5}.validate(), Catch::Contains("Learnable.floor"));
  CHECK_THROWS_WITH(Learnable{.visits = -1}.validate(), Catch::Contains("Learnable.visits"));
  CHECK_THROWS_WITH((Learnable{.least = 1.0, .most = 1.0}.validate()),
                    Catch::Contains("Learnable.least"));
}
