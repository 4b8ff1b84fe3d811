// SPDX-License-Identifier: Apache-2.0
#include "posttrain/evaluate/forgetting.hpp"

#include <cmath>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("forgetting is the best minus the last", "[trainer][retention]") {
  ForgettingReport report({"a", "b", "c"});
  CHECK(std::isnan(report.final_accuracy()));
  const auto scores = [](double a, double b, double c) {
    std::vector<Retention> all(3);
    all[0].exact_match = a;
    all[1].exact_match = b;
    all[2].exact_match = c;
    return all;
  };
  report.add("before", scores(0.0, 0.1, 0.0));
  report.add("after a", scores(0.9, 0.0, 0.0));
  report.add("after b", scores(0.5, 0.8, 0.0));
  report.add("after c", scores(0.3, 0.6, 0.7));
  CHECK(std::abs(report.forgotten(0) - 0.6) < 1e-12);
  CHECK(std::abs(report.average_forgetting() - 0.4) < 1e-12);
  CHECK(std::abs(report.final_accuracy() - 1.6 / 3.0) < 1e-12);
  CHECK(report.text().find("forgotten on average 40.0 points") != std::string::npos);
  CHECK_THROWS_WITH(report.add("late", std::vector<Retention>(2)),
                    "stage late: expected one measurement for each of 3 tasks, got 2");
}
