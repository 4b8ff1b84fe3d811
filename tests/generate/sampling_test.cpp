// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/sampling.hpp"

#include <cmath>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

namespace {

Tensor some_logits(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

}  // namespace

TEST_CASE("temperature 0 takes the largest logit, the first of equal ones", "[generate]") {
  CHECK(choose(some_logits({0.0, 3.0, -1.0, 2.0}), 0.0, 1, 0) == 1);
  CHECK(choose(some_logits({5.0, 1.0, 5.0}), 0.0, 1, 7) == 0);
}

TEST_CASE("draws follow softmax of logits over temperature", "[generate]") {
  const Tensor logits = some_logits({0.0, 1.0, -1.0, 2.0});
  const Tensor expected = at::softmax(logits / 0.7, 0);
  std::vector<double> counts(4, 0.0);
  const int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    counts[static_cast<std::size_t>(choose(logits, 0.7, /*seed=*/1, i))] += 1.0;
  }
  for (int i = 0; i < 4; ++i) {
    const double p = expected.data_ptr<double>()[i];
    // Five standard deviations of a binomial.
    CHECK(std::abs(counts[static_cast<std::size_t>(i)] / draws - p) <
          5.0 * std::sqrt(p * (1 - p) / draws));
  }
}

TEST_CASE("a draw is a function of seed and position", "[generate]") {
  const Tensor logits = at::zeros({1000}, at::kFloat);
  const TokenId drawn = choose(logits, 1.0, 5, 3);
  CHECK(choose(logits, 1.0, 5, 3) == drawn);
  std::set<TokenId> others;
  for (int i = 0; i < 10; ++i) {
    others.insert(choose(logits, 1.0, 6 + i, 3));
    others.insert(choose(logits, 1.0, 5, 4 + i));
  }
  CHECK(others.size() > 10);  // 20 draws of 1,000
}

TEST_CASE("a token of probability 0 is never drawn", "[generate]") {
  const double never = -std::numeric_limits<double>::infinity();
  const Tensor logits = some_logits({never, 0.0, never, 0.0, never});
  for (int i = 0; i < 200; ++i) {
    const TokenId drawn = choose(logits, 2.0, 9, i);
    CHECK((drawn == 1 || drawn == 3));
  }
}
