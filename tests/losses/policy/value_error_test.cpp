// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/value_error.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct Token {
  double value, old_value, target;
};
const std::vector<Token> kTokens{{0.5, 0.4, 1.0},   // within the bound
                                 {1.0, 0.4, 2.0},   // moved towards the target: the bound counts
                                 {-0.5, 0.4, 2.0},  // moved away: its own error is the greater
                                 {0.9, 0.4, 0.65},  // beyond the target, bound at .6
                                 {0.3, 0.3, 0.3}};

RolloutBatch batch_of_tokens() {
  std::vector<double> old_values, targets;
  for (const Token& token : kTokens) {
    old_values.push_back(token.old_value);
    targets.push_back(token.target);
  }
  RolloutBatch batch;
  batch.old_values = at::tensor(old_values, at::kDouble);
  batch.returns = at::tensor(targets, at::kDouble);
  return batch;
}

Tensor values_of_tokens() {
  std::vector<double> values;
  for (const Token& token : kTokens) values.push_back(token.value);
  return at::tensor(values, at::kDouble);
}

double square_of(double x) { return x * x; }

double expected(const Token& token, double value, double clip) {
  const double near = token.old_value + std::clamp(value - token.old_value, -clip, clip);
  const double own = square_of(value - token.target);
  return 0.5 * (clip == 0.0 ? own : std::max(own, square_of(near - token.target)));
}

}  // namespace

TEST_CASE("A critic's error is the greater one of the value and of the bounded value",
          "[losses][value_error]") {
  for (const double clip : {0.2, 0.0}) {
    const Tensor values = values_of_tokens().requires_grad_();
    const Tensor errors = value_error(values, batch_of_tokens(), clip);
    errors.sum().backward();
    for (std::size_t i = 0; i < kTokens.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const double value = kTokens[i].value, h = 1e-6;
      CHECK(errors[at].item<double>() == Approx(expected(kTokens[i], value, clip)));
      const double slope =
          (expected(kTokens[i], value + h, clip) - expected(kTokens[i], value - h, clip)) / (2 * h);
      CHECK(values.grad()[at].item<double>() == Approx(slope).margin(1e-6));
    }
  }
}

TEST_CASE("What is measured of a critic is over the tokens of the step", "[losses][value_error]") {
  MetricMeans means;
  const RolloutBatch batch = batch_of_tokens();
  measure_values(values_of_tokens(), batch, 0.2, means);
  measure_values(at::empty({0}, at::kDouble), RolloutBatch{}, 0.2, means);  // nothing to add
  std::map<std::string, double> measured;
  for (const auto& [name, value] : means.values()) measured[name] = value;
  double loss = 0.0, error = 0.0, mean = 0.0, target = 0.0, targets = 0.0;
  for (const Token& token : kTokens) {
    loss += expected(token, token.value, 0.2) / 5;
    error += square_of(token.value - token.target) / 5;
    mean += token.value / 5;
    target += token.target / 5;
    targets += square_of(token.target) / 5;
  }
  CHECK(measured.at("value/loss") == Approx(loss));
  CHECK(measured.at("value/error") == Approx(error));
  CHECK(measured.at("value/mean") == Approx(mean));
  CHECK(measured.at("value/clip_ratio") == Approx(0.2));  // the second token
  CHECK(measured.at("return/mean") == Approx(target));
  CHECK(measured.at("return/mean_square") == Approx(targets));
  CHECK(measured.size() == 6);
}
