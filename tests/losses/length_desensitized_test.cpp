// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/length_desensitized.hpp"

#include <algorithm>
#include <cmath>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/ipo.hpp"
#include "posttrain/losses/wpo.hpp"
#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// r with the tail beyond the other answer's length counted by half.
double short_ratio(const AnswerNumbers& a) {
  const double head = a.head_logp - a.head_ref;
  return head + 0.5 * (a.ratio() - head);
}

}  // namespace

TEST_CASE("tails of longer answers count by a factor", "[losses][length_desensitized]") {
  check_pair_loss(LengthDesensitized{Dpo{.beta = kBeta}, 0.5},
                  mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return -log_sigmoid(kBeta * (short_ratio(w) - short_ratio(l)));
                  }));
  CHECK_THROWS_WITH((LengthDesensitized{Dpo{}, 1.5}.validate()),
                    "posttrain: LengthDesensitized.alpha must be in [0, 1]");
}

TEST_CASE("lengths that a loss divides by stay whole", "[losses][length_desensitized]") {
  check_pair_loss(LengthDesensitized{Ipo{.beta = kBeta}, 0.5},
                  mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return std::pow(
                        short_ratio(w) / w.length - short_ratio(l) / l.length - 0.5 / kBeta, 2.0);
                  }));
}

TEST_CASE("a desensitized loss is weighed as any other", "[losses][length_desensitized]") {
  check_pair_loss(
      Wpo{LengthDesensitized{Hinge{.beta = kBeta}, 0.5}}, [](const Step& now, const Step& held) {
        double sum = 0.0;
        for (std::size_t i = 0; i < now.size(); ++i) {
          const double x = kBeta * (short_ratio(now[i].w) - short_ratio(now[i].l));
          sum += std::max(0.0, 1.0 - x) * std::exp(held[i].w.alignment + held[i].l.alignment);
        }
        return sum / static_cast<double>(now.size());
      });
}
