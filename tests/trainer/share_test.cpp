// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/share.hpp"

#include <algorithm>
#include <mutex>
#include <type_traits>
#include <utility>

#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer/scorer.hpp"
#include "support/catch.hpp"
#include "support/rank_threads.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"

using namespace posttrain;

namespace {

std::vector<PairBatch> three_batches() {
  const std::vector<AnswerPair> pairs = test::some_pairs(7);
  return {test::packed({pairs[0], pairs[1], pairs[2]}), test::packed({pairs[3]}),
          test::packed({pairs[4], pairs[5], pairs[6]})};
}

}  // namespace

TEST_CASE("a micro-batch costs its tokens, and its pairs of a query and a key", "[share]") {
  // 4 tokens see 1 + 2 + 3 + 4, two behind them 5 + 6.
  CHECK(attended_pairs({{0, 4, 6, 0}, {4, 6, 6, 4}}) == 21.0);
  TokenBatch batch;
  batch.ids = at::zeros({6}, at::kLong);
  batch.nodes = {{0, 4, 6, 0}, {4, 6, 6, 4}};
  CHECK(posttrain::detail::costs_of(std::vector{batch}, 7) == std::vector<double>{6.5});
}

TEST_CASE("each rank gathers what one gathers, and has its own part ready", "[share]") {
  REQUIRE(has_gloo());
  const auto model = test::tiny_model(at::kFloat);
  const Options options = test::small_run(1, 8, 64);
  const AotPair loss;
  const std::vector<PairBatch> batches = three_batches();
  const auto parts = [&](const Team& team) {
    auto state = Lora{.rank = 2}.attach(model);
    const Scorer<std::remove_const_t<decltype(model)>, decltype(state), AotPair> scorer(
        model, state, loss, options, 0);
    Objective<AotPair> objective(loss, batches);
    const auto share = share_of(team, scorer, scorer, loss, objective, batches, true);
    std::vector<std::pair<std::size_t, double>> sums;
    if (share.batches.size() != 3) fail("a loss that gathers knows all");
    for (const std::size_t i : share.own) {
      const PairBatch& batch = share.batches[i];
      sums.emplace_back(
          i, objective.sum(scorer.scored(batch, true).scores(), batch).template item<double>());
    }
    return sums;
  };
  const auto alone = parts(Team());
  REQUIRE(alone.size() == 3);
  std::vector<std::pair<std::size_t, double>> together;
  std::mutex mutex;
  const auto errors = test::on_gloo(2, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto own = parts(Team(ranks));
    const std::lock_guard lock(mutex);
    together.insert(together.end(), own.begin(), own.end());
  });
  CHECK(errors == std::vector<std::string>(2));
  std::sort(together.begin(), together.end());
  CHECK(together == alone);
}

TEST_CASE("a loss that gathers nothing has its own part and no other", "[share]") {
  REQUIRE(has_gloo());
  const auto model = test::tiny_model(at::kFloat);
  const Options options = test::small_run(1, 8, 64);
  const NextToken loss;
  std::vector<TokenBatch> batches;
  for (const std::int64_t length : {5, 9, 3}) {
    const Sequence sequence = test::some_sequence(length, 3);
    batches.push_back(pack_sequences(std::vector<const Sequence*>{&sequence}));
  }
  std::vector<std::int64_t> tokens(4, 0);
  const auto errors = test::on_gloo(4, [&](const std::shared_ptr<Communicator>& ranks) {
    auto state = Full{}.attach(model);
    const Scorer<std::remove_const_t<decltype(model)>, decltype(state), NextToken> scorer(
        model, state, loss, options, 0);
    Objective<NextToken> objective(loss, batches);
    const auto share =
        share_of(Team(ranks), scorer, scorer, loss, objective, batches, /*training=*/true);
    if (share.own.size() > 1 || share.batches.size() != share.own.size()) fail("more than its own");
    for (const std::size_t i : share.own) {
      tokens[static_cast<std::size_t>(ranks->rank())] = share.batches[i].tokens();
    }
  });
  CHECK(errors == std::vector<std::string>(4));
  CHECK(tokens == std::vector<std::int64_t>{9, 5, 3, 0});
}
