// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/metric_means.hpp"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using posttrain::MetricMeans;
using Values = std::vector<std::pair<std::string, double>>;

TEST_CASE("a mean is over all micro-batches, not over their means") {
  MetricMeans means;
  means.add("margin", 3.0, 1.0);
  means.add("accuracy", 1.0, 2.0);
  means.add("margin", 5.0, 7.0);
  CHECK(means.values() == Values{{"margin", 1.0}, {"accuracy", 0.5}});
}

TEST_CASE("effective samples are counted over all micro-batches") {
  MetricMeans means;  // weights 1, 3 and 0
  means.add_effective_share("share", 4.0, 10.0, 2.0);
  means.add_effective_share("share", 0.0, 0.0, 1.0);
  CHECK(means.values() == Values{{"share", 16.0 / 30.0}});
  MetricMeans alike;
  alike.add_effective_share("share", 1.5, 0.75, 3.0);
  CHECK(alike.values() == Values{{"share", 1.0}});
  MetricMeans nothing;
  nothing.add_effective_share("share", 0.0, 0.0, 3.0);
  CHECK(nothing.values().empty());
}

TEST_CASE("extremes are those of the whole step; a metric without a count is left out") {
  MetricMeans means;
  means.add("nothing", 0.0, 0.0);
  means.add_min("least", 2.0);
  means.add_max("greatest", -2.0);
  means.add_min("least", 5.0);
  means.add_min("least", -1.0);
  means.add_max("greatest", -3.0);
  CHECK(means.values() == Values{{"least", -1.0}, {"greatest", -2.0}});
  CHECK(MetricMeans().values().empty());
}

TEST_CASE("extremes of sums are taken when all of their parts are there") {
  MetricMeans means;
  const auto add = [&](std::vector<double> parts) {
    const posttrain::Tensor values = at::tensor(parts, at::kDouble);
    means.add_least_sum("least", values);
    means.add_greatest_sum("greatest", values);
  };
  add({1.0, 0.0, 0.25});
  add({0.0, 4.0, 0.5});
  CHECK(means.pending().size() == 2);
  CHECK(means.values() == Values{{"least", 0.75}, {"greatest", 4.0}});
  add({0.0, -5.0, 0.0});
  CHECK(means.values() == Values{{"least", -1.0}, {"greatest", 1.0}});
}
