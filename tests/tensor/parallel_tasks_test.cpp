// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/parallel_tasks.hpp"

#include <vector>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("parallel tasks run once each, with any number of threads", "[tensor]") {
  const int threads = at::get_num_threads();
  for (const int workers : {1, 2, 5}) {
    at::set_num_threads(workers);
    for (const std::int64_t count : {0, 1, 3, 100}) {
      std::vector<int> runs(static_cast<std::size_t>(count), 0);
      parallel_tasks(count, [&](std::int64_t i) { runs[static_cast<std::size_t>(i)] += 1; });
      CHECK(runs == std::vector<int>(static_cast<std::size_t>(count), 1));
    }
    CHECK_THROWS_WITH(parallel_tasks(10,
                                     [](std::int64_t i) {
                                       if (i == 7) raise("task {}", i);
                                     }),
                      "task 7");
  }
  at::set_num_threads(threads);
}
