// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/update.hpp"

#include <limits>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

/// One group whose gradient is (3, 4): its norm is 5.
struct State {
  std::vector<ParameterGroup> groups;
  int published = 0;

  State() {
    const Tensor values = at::zeros({2});
    groups = {
        {.name = "w", .value = values, .master = values, .grad = at::arange(3, 5).to(at::kFloat)}};
  }
  std::vector<ParameterGroup>& trainable() { return groups; }
  void publish() { ++published; }
};

/// w −= lr · scale · gradient, with the scale as a number of the host.
struct Descent {
  void step(std::vector<ParameterGroup>& groups, double lr, double scale) {
    groups[0].master.sub_(groups[0].grad, lr * scale);
  }
};

std::optional<NonFiniteNumber> updated(State& state, double loss, double max_norm,
                                       StepMetrics& metrics) {
  Descent descent;
  MetricMeans means;
  means.add("accuracy", 3.0, 4.0);
  Shards all;
  return update(state, descent, at::scalar_tensor(loss, at::kDouble), means, max_norm, at::kCPU,
                metrics, Team(), all);
}

}  // namespace

TEST_CASE("an update clips, steps, publishes and tells its numbers", "[trainer]") {
  for (const double max_norm : {0.0, 1.0}) {
    State state;
    StepMetrics metrics{.lr = 0.5};
    CHECK_FALSE(updated(state, 2.25, max_norm, metrics));
    const double scale = max_norm == 0.0 ? 1.0 : 0.2;
    CHECK(state.groups[0].master.allclose(state.groups[0].grad * (-0.5 * scale)));
    CHECK(state.published == 1);
    CHECK(metrics.loss == 2.25);
    CHECK(metrics.grad_norm == Approx(5.0));  // before clipping
    CHECK(metrics.loss_metrics == decltype(metrics.loss_metrics){{"accuracy", 0.75}});
  }
}

TEST_CASE("an update by a number that is not finite is none, and names it", "[trainer]") {
  const double infinity = std::numeric_limits<double>::infinity();
  State state;
  StepMetrics metrics{.lr = 0.5};
  const auto bad_loss = updated(state, std::nan(""), 1.0, metrics);
  REQUIRE(bad_loss);
  CHECK(std::string(bad_loss->what) == "loss");
  CHECK(std::isnan(bad_loss->value));
  state.groups[0].grad.fill_(infinity);
  const auto bad_norm = updated(state, 1.0, 1.0, metrics);
  REQUIRE(bad_norm);
  CHECK(std::string(bad_norm->what) == "gradient norm");
  CHECK(bad_norm->value == infinity);
  CHECK(state.published == 0);
  CHECK(state.groups[0].master.count_nonzero().item<std::int64_t>() == 0);
}
