// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/stopwatch.hpp"

#include <chrono>
#include <thread>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("A stopwatch counts seconds from when it was made", "[stopwatch]") {
  const Stopwatch first;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Stopwatch second;
  const double since_second = second.seconds(), since_first = first.seconds();
  CHECK(since_second >= 0.0);
  CHECK(since_first >= since_second + 0.02);
  CHECK(first.seconds() >= since_first);
}
