// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/loss_sum.hpp"

#include <algorithm>
#include <vector>

#include "posttrain/losses/bco_pair.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/kto_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a sum of losses is the sum of their formulas", "[losses][loss_sum][C1]") {
  // MPO (arXiv 2411.10442): 0.8 DPO + 0.2 BCO + the likelihood of the chosen answers.
  const auto mpo =
      0.8 * Dpo{.beta = kBeta} + 0.2 * BcoPair{.beta = kBeta} + 1.0 * OnChosen{NextToken{}};
  check_pair_loss(mpo, [](const Step& now, const Step&) {
    double pairs = 0.0, nll = 0.0, tokens = 0.0;
    for (const PairNumbers& pair : now) {
      const double w = pair.w.ratio(), l = pair.l.ratio();
      pairs -= 0.8 * log_sigmoid(kBeta * (w - l)) +
               0.2 * (log_sigmoid(kBeta * w) + log_sigmoid(-kBeta * l));
      nll -= pair.w.logp;
      tokens += pair.w.length;
    }
    return pairs / static_cast<double>(now.size()) + nll / tokens;
  });
}

TEST_CASE("a sum gathers the statistics of its terms", "[losses][loss_sum]") {
  const auto loss = Dpo{.beta = kBeta} + 0.5 * KtoPair{.beta = kBeta};
  check_pair_loss(loss, [](const Step& now, const Step& held) {
    double w = 0.0, l = 0.0, dpo = 0.0, kto = 0.0;
    for (const PairNumbers& pair : held) {
      w += pair.w.ratio() / static_cast<double>(held.size());
      l += pair.l.ratio() / static_cast<double>(held.size());
    }
    for (const PairNumbers& pair : now) {
      dpo -= log_sigmoid(kBeta * (pair.w.ratio() - pair.l.ratio()));
      kto += 0.5 * (1.0 - sigmoid(kBeta * (pair.w.ratio() - std::max(0.0, l))));
      kto += 0.5 * (1.0 - sigmoid(kBeta * (std::max(0.0, w) - pair.l.ratio())));
    }
    return (dpo + 0.5 * kto) / static_cast<double>(now.size());
  });
}

TEST_CASE("a sum of losses divides each term by its own count", "[losses][loss_sum]") {
  const std::vector<AnswerPair> pairs = seven_pairs();
  const auto loss = Dpo{} + 0.5 * OnChosen{NextToken{}};
  double chosen = 0.0;
  for (const AnswerPair& pair : pairs) chosen += static_cast<double>(pair.chosen.ids.size());
  CHECK(loss.counts(pairs_at(pairs, {0, 1, 2, 3, 4, 5, 6})) == std::vector<double>{7.0, chosen});
  CHECK(decltype(loss)::needs_reference);
  CHECK_FALSE(decltype(loss)::row_local);
  CHECK(loss.needs().entropy);
  CHECK_THROWS_WITH((-1.0 * Dpo{}).validate(),
                    "posttrain: the weight of a loss must not be negative");
}
