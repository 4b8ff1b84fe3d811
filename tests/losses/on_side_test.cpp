// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/on_side.hpp"

#include <vector>

#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a loss on tokens acts on one side of the pairs", "[losses][on_side]") {
  check_pair_loss(OnChosen{NextToken{}} + 0.0 * OnRejected{NextToken{}},
                  [](const Step& now, const Step&) {
                    double nll = 0.0, tokens = 0.0;
                    for (const PairNumbers& pair : now) {
                      nll -= pair.w.logp;
                      tokens += pair.w.length;
                    }
                    return nll / tokens;
                  });
  check_pair_loss(0.25 * OnRejected{NextToken{}}, [](const Step& now, const Step&) {
    double nll = 0.0, tokens = 0.0;
    for (const PairNumbers& pair : now) {
      nll -= pair.l.logp;
      tokens += pair.l.length;
    }
    return 0.25 * nll / tokens;
  });
}

TEST_CASE("the count of a side is that of its tokens", "[losses][on_side]") {
  const std::vector<AnswerPair> pairs = seven_pairs();
  const PairBatch batch = pairs_at(pairs, {2, 5});
  const auto tokens = [](const Sequence& a, const Sequence& b) {
    return static_cast<double>(a.ids.size() + b.ids.size());
  };
  CHECK(OnChosen{NextToken{}}.count(batch) == tokens(pairs[2].chosen, pairs[5].chosen));
  CHECK(OnRejected{NextToken{}}.count(batch) == tokens(pairs[2].rejected, pairs[5].rejected));
  CHECK(OnChosen{NextToken{.label_smoothing = 0.1}}.needs().mean_logit);
  CHECK_FALSE(needs_reference<OnChosen<NextToken>>());
}
