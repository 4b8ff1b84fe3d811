// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/early_stopping.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

namespace {

/// How many validations in a row are without gain after each of these losses.
std::vector<std::int64_t> counts(const std::vector<double>& losses, double threshold) {
  std::vector<std::int64_t> all;
  double lowest = std::numeric_limits<double>::infinity();
  std::int64_t count = 0;
  for (const double loss : losses) {
    count = validations_without_gain(count, all.empty(), loss, lowest, threshold);
    if (loss < lowest) lowest = loss;
    all.push_back(count);
  }
  return all;
}

using Counts = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a validation improves on the lowest loss before it by more than the threshold",
          "[trainer][options]") {
  CHECK(counts({3.0, 2.0, 2.5, 2.0, 1.9, 2.0}, 0.0) == Counts{0, 0, 1, 2, 0, 1});
  CHECK(counts({3.0, 2.5, 2.0}, 0.5) == Counts{0, 1, 2});  // by exactly the threshold is not more
  // A loss that creeps down lowers the mark that the next one must pass.
  CHECK(counts({3.0, 2.75, 2.5, 2.25, 1.5}, 0.5) == Counts{0, 1, 2, 3, 0});
}

TEST_CASE("the first validation counts as a gain, a loss that is no number does not",
          "[trainer][options]") {
  const double nan = std::nan("");
  CHECK(counts({nan, nan, 2.0, nan}, 0.0) == Counts{0, 1, 0, 1});
}

TEST_CASE("a run ends when its patience is used up, and has none by default",
          "[trainer][options]") {
  CHECK_FALSE(stops_early({}, 1000));
  CHECK_FALSE(stops_early({.early_stopping_patience = 3}, 2));
  CHECK(stops_early({.early_stopping_patience = 3}, 3));
  CHECK(stops_early({.early_stopping_patience = 3}, 4));  // resumed with less patience
}
