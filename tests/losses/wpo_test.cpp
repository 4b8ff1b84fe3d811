// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/wpo.hpp"

#include <cmath>

#include "posttrain/losses/cpo.hpp"
#include "posttrain/losses/dpo.hpp"
#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("WPO weighs a pair by how likely the policy writes it", "[losses][wpo]") {
  check_pair_loss(Wpo{Dpo{.beta = kBeta}}, [](const Step& now, const Step& held) {
    double sum = 0.0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      sum -= log_sigmoid(kBeta * (now[i].w.ratio() - now[i].l.ratio())) *
             std::exp(held[i].w.alignment + held[i].l.alignment);
    }
    return sum / static_cast<double>(now.size());
  });
  const Need needs = Wpo{Dpo{}}.needs();
  CHECK(needs.log_sum_sq);
  CHECK(needs.entropy);
  CHECK(needs_reference<Wpo<Dpo>>());
  CHECK_FALSE(needs_reference<Wpo<Cpo>>());
  CHECK_THROWS_WITH(Wpo{Dpo{.beta = 0.0}}.validate(), "posttrain: Dpo.beta must be positive");
}
