// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/parallel_tasks.hpp"

#include <tuple>
#include <vector>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

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

TEST_CASE("decompositions as tasks end after at::set_num_threads", "[tensor]") {
  const at::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const Tensor matrix = kernel_test::normal({172, 64}, 1);
  const Tensor expected = std::get<0>(matrix.geqrf());
  std::vector<int> right(16, 0);
  parallel_tasks(16, [&](std::int64_t i) {
    const Tensor found = std::get<0>(matrix.geqrf());
    right[static_cast<std::size_t>(i)] = found.allclose(expected, 1e-10, 1e-10) ? 1 : 0;
  });
  CHECK(right == std::vector<int>(16, 1));
  at::set_num_threads(threads);
}
