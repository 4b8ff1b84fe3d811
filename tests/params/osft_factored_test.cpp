// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft_factored.hpp"

#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/pair_of_sites.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("factors make the base's weights, under its names and shapes", "[params][osft]") {
  const test::PairOfSites model;
  const FrozenState base = Frozen{}.attach(model);
  const OsftFactoredState state = OsftFactored{.unfreeze_rank_ratio = 0.25}.attach(model);
  const auto weights = state.weights(), expected = base.weights();
  REQUIRE(weights.size() == expected.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(weights[i].name == expected[i].name);
    CHECK(weights[i].value.sizes() == expected[i].value.sizes());
    CHECK(relative_error(weights[i].value, expected[i].value) < 1e-13);
  }
  const Tensor x = normal({3, 8}, 1);
  CHECK(at::equal(state.reference().linear(0, x), base.linear(0, x)));
  CHECK(state.gradients().size() == 9);
}

TEST_CASE("Adam's steps leave the complement unless values are projected after them",
          "[params][osft]") {
  const auto leak = [](at::ScalarType type, bool project) {
    const test::PairOfSites model{.type = type, .width = 16};
    OsftFactoredState state =
        OsftFactored{
            .unfreeze_rank_ratio = 0.5, .target_patterns = "q", .project_parameters = project}
            .attach(model);
    AdamWState adamw = AdamW{.weight_decay = 0.1}.attach(state.trainable());
    const Tensor wanted = normal({16, 20}, 1000, type);
    for (int step = 0; step < 400; ++step) {
      for (ParameterGroup& group : state.trainable()) group.grad.zero_();
      const auto seed = static_cast<std::uint64_t>(step);
      const Tensor x = normal({32, 16}, seed, type), target = x.matmul(wanted);
      (state.linear(0, x) - target).square().mean().backward();
      adamw.step(state.trainable(), 1e-2,
                 optim::clip_coefficient(optim::global_norm(state.trainable()), 1.0));
      state.publish();
    }
    const Tensor base = Frozen{}.attach(model).weights()[0].value.to(at::kDouble);
    const OsftFactors& factors = *state.targets()[0];
    const Directions protect = leading(base, factors.u_high.size(1));
    const Matrix change = to_eigen(factors.matrix().to(at::kDouble) - base);
    const Matrix left = change - protect.left * (protect.left.transpose() * change);
    return (change - (left - (left * protect.right) * protect.right.transpose())).norm() /
           change.norm();
  };
  const double projected = leak(at::kFloat, true), gradients_only = leak(at::kFloat, false);
  INFO("leak with values projected " << projected << ", gradients only " << gradients_only);
  CHECK(projected < 1e-5);
  CHECK(gradients_only > 1000 * projected);
  CHECK(leak(at::kDouble, true) < 1e-12);
}

TEST_CASE("the factored form trains a decoder", "[params][osft]") {
  const models::Decoder model = test::tiny_model(at::kBFloat16);
  OsftFactoredState state = OsftFactored{.unfreeze_rank_ratio = 0.5, .train = "norm"}.attach(model);
  AdamWState adamw = AdamW{}.attach(state.trainable());
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
  const NextToken loss;
  std::vector<double> sums;
  for (int step = 0; step < 60; ++step) {
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
    sums.push_back(backward_through_head(logits, model.hidden(state, batch), batch, loss,
                                         loss.needs(), 1.0 / loss.count(batch), 64)
                       .item()
                       .toDouble());
    adamw.step(state.trainable(), 1e-2, 1.0);
    state.publish();
  }
  CHECK(sums.back() < 0.3 * sums.front());
  CHECK_THROWS_WITH(OsftFactored{.target_patterns = "nothing"}.attach(model),
                    Catch::Contains("OsftFactored.target_patterns \"nothing\" selects nothing"));
}
