// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/clip.hpp"

#include <algorithm>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

double clipped(const Clip& clip, double w, double a) {
  const double bounded = clip.cap > 0.0 ? std::min(w, clip.cap) : w;
  const double loss = -std::min(bounded * a, std::clamp(w, 1.0 - clip.low, 1.0 + clip.high) * a);
  return clip.dual > 0.0 && a < 0.0 ? std::min(loss, -clip.dual * a) : loss;
}

}  // namespace

TEST_CASE("the clipped surrogate is its formula, with each of its bounds", "[losses][clip]") {
  for (const Clip clip :
       {Clip{}, Clip{.low = 0.2, .high = 0.28}, Clip{.dual = 1.3}, Clip{.cap = 1.4},
        Clip{.low = 0.1, .high = 0.1, .dual = 1.5, .cap = 1.6}}) {
    check_policy_loss(
        PolicyLoss<Clip>{.term = clip},
        of_tokens([clip](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
          return clipped(clip, now.ratio(t), now.advantage[t]);
        }));
  }
  check_first_update(PolicyLoss<Clip>{});
}

TEST_CASE("each bound of the clip acts where the advantage has its sign", "[losses][clip]") {
  const Tensor w = at::tensor({0.5, 1.5, 0.5, 1.5, 10.0}, at::kDouble);
  const Tensor a = at::tensor({1.0, 1.0, -1.0, -1.0, -1.0}, at::kDouble);
  const auto values = [&](const Clip& clip) { return clip(w, {}, a); };
  CHECK(values({}).equal(at::tensor({-0.5, -1.2, 0.8, 1.5, 10.0}, at::kDouble)));
  CHECK(values({.dual = 3.0}).equal(at::tensor({-0.5, -1.2, 0.8, 1.5, 3.0}, at::kDouble)));
  CHECK(values({.cap = 4.0}).equal(at::tensor({-0.5, -1.2, 0.8, 1.5, 4.0}, at::kDouble)));
  const ClippedRatios clipped = Clip{}.clipped(w, {}, a);
  CHECK(clipped.low.equal(marks({0, 0, 1, 0, 0})));
  CHECK(clipped.high.equal(marks({0, 1, 0, 0, 0})));
}

TEST_CASE("bounds of the clip that contradict each other are refused", "[losses][clip]") {
  CHECK_THROWS_WITH(Clip{.low = 1.5}.validate(), Catch::Contains("Clip.low in [0, 1]"));
  CHECK_THROWS_WITH(Clip{.high = -0.1}.validate(), Catch::Contains("Clip.high not negative"));
  CHECK_THROWS_WITH(Clip{.dual = 0.5}.validate(), Catch::Contains("Clip.dual above 1"));
  CHECK_THROWS_WITH(Clip{.cap = 1.1}.validate(), Catch::Contains("Clip.cap above 1 + high"));
}
