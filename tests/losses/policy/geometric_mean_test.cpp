// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/geometric_mean.hpp"

#include <algorithm>

#include "posttrain/losses/policy/reinforce.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the geometric mean clips each token in log space before the mean",
          "[losses][geometric_mean]") {
  using Loss = PolicyLoss<Reinforce, GeometricMean>;
  static_assert(!Loss::row_local);
  const Loss loss{.ratio = {.low = 0.2, .high = 0.3}};
  check_policy_loss(
      loss, of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
        double mean = 0.0;
        for (std::size_t j = 0; j < now.size(); ++j) {
          const double s = now.advantage[j] > 0.0 ? 1.0 : now.advantage[j] < 0.0 ? -1.0 : 0.0;
          const double d = now.d(j);
          mean +=
              s * std::min(s * d, s * std::clamp(d, -0.2, 0.3)) / static_cast<double>(now.size());
        }
        return -std::exp(mean) * now.advantage[t];
      }));
  check_first_update(loss);
  CHECK_THROWS_WITH(GeometricMean{.low = -0.1}.validate(), Catch::Contains("GeometricMean"));
}
