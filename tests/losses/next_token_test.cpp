// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/next_token.hpp"

#include <Eigen/Core>
#include <cmath>

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// The formula of the header, written out in Eigen on dense logits [rows, vocab] in double.
double formula(const Tensor& logits, const TokenBatch& batch, double smoothing, double z_loss) {
  using Matrix = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Tensor wide = logits.to(at::kDouble).contiguous();
  const Eigen::Map<const Matrix> z(wide.data_ptr<double>(), wide.size(0), wide.size(1));
  double sum = 0.0;
  for (Eigen::Index i = 0; i < z.rows(); ++i) {
    const double largest = z.row(i).maxCoeff();
    const double lse = largest + std::log((z.row(i) - largest).exp().sum());
    const double nll = lse - z(i, batch.target.data_ptr<std::int64_t>()[i]);
    const double uniform = lse - z.row(i).mean();
    sum += batch.weight.data_ptr<float>()[i] *
           (nll * (1.0 - smoothing) + uniform * smoothing + lse * lse * z_loss);
  }
  return sum;
}

TokenBatch predictions(std::int64_t rows, std::int64_t vocab) {
  BatchBuilder builder;
  const TokenIds ids = some_ids(rows + 1, 3, vocab);
  builder.add(ids);
  std::vector<float> weights(ids.size(), 1.0F);
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = 0.25F * static_cast<float>(1 + i % 4);
  builder.score(weights);
  builder.end_sequence(0);
  return std::move(builder).build();
}

}  // namespace

TEST_CASE("the loss equals its formula with weights, smoothing and z-loss", "[next_token]") {
  const TokenBatch batch = predictions(11, 17);
  const Tensor logits = at::sin(at::arange(11 * 17, at::kDouble)).mul_(3.0).view({11, 17});
  for (const double smoothing : {0.0, 0.1}) {
    for (const double z : {0.0, 0.01}) {
      const NextToken loss{.label_smoothing = smoothing, .z_loss = z};
      const Scores scores = score_logits(logits.clone(), batch.target, loss.needs());
      CHECK(loss.sum(scores, batch).item<double>() ==
            Approx(formula(logits, batch, smoothing, z)).epsilon(1e-12));
    }
  }
  CHECK(NextToken{}.count(batch) == Approx(at::sum(batch.weight).item<double>()));
}

TEST_CASE("the fused head's gradient is exact for non-uniform weights", "[next_token][C4]") {
  const TokenBatch batch = predictions(11, 17);
  const NextToken loss{.label_smoothing = 0.1, .z_loss = 0.01};
  const Tensor weight = at::cos(at::arange(17 * 5, at::kDouble)).view({17, 5});
  const Tensor input = at::sin(at::arange(12 * 5, at::kDouble)).view({12, 5});
  const auto value = [&](const Tensor& w, const Tensor& x) {
    const Tensor rows = at::index_select(x, 0, batch.row);
    return formula(at::matmul(rows, w.t()) + 0.5 * at::tanh(at::matmul(rows, w.t())), batch, 0.1,
                   0.01);
  };
  for (const std::int64_t chunk : {1, 4, 100}) {
    Tensor w = weight.clone().requires_grad_();
    Tensor hidden = (input * 1.0).requires_grad_();
    Tensor leaf = input.clone().requires_grad_();
    hidden = leaf * 1.0;
    const auto logits = [&](const Tensor& rows) {
      const Tensor z = at::matmul(rows, w.t());
      return z + 0.5 * at::tanh(z);
    };
    const double sum = backward_through_head(logits, hidden, batch, loss, loss.needs(), 2.0, chunk)
                           .item()
                           .toDouble();
    CHECK(sum == Approx(value(weight, input)).epsilon(1e-12));
    const double h = 1e-6;
    const auto check = [&](const Tensor& at_point, const Tensor& gradient, auto evaluate) {
      for (std::int64_t i = 0; i < at_point.numel(); i += 7) {
        Tensor moved = at_point.clone();
        moved.view({-1}).data_ptr<double>()[i] += h;
        const double above = evaluate(moved);
        moved.view({-1}).data_ptr<double>()[i] -= 2 * h;
        const double slope = (above - evaluate(moved)) / (2 * h);
        CHECK(gradient.reshape({-1}).data_ptr<double>()[i] ==
              Approx(2.0 * slope).epsilon(1e-6).margin(1e-8));
      }
    };
    check(weight, w.grad(), [&](const Tensor& moved) { return value(moved, input); });
    check(input, leaf.grad(), [&](const Tensor& moved) { return value(weight, moved); });
  }
}

namespace {

/// The same loss declared as coupled: it must take the two-pass way to the same numbers.
struct CoupledNextToken : NextToken {
  static constexpr bool row_local = false;
};

}  // namespace

TEST_CASE("the two-pass way gives the same loss and gradients", "[next_token][lm_head]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  const TokenBatch batch = batch_of({some_sequence(14, 1), some_sequence(9, 2)});
  const NextToken fused{.label_smoothing = 0.1, .z_loss = 0.01};
  const double a = add_gradients(model, state, batch, fused, 0.5);
  const Tensor gradient = flat_gradient(state);
  zero_gradients(state);
  const double b = add_gradients(model, state, batch, CoupledNextToken{fused}, 0.5);
  CHECK(a == Approx(b).epsilon(1e-12));
  CHECK(relative_error(flat_gradient(state), gradient) < 1e-12);
}

TEST_CASE("a batch without a scored token gives zero and leaves gradients alone",
          "[next_token][C3]") {
  const models::Decoder model = tiny_model(at::kFloat);
  FullState state = Full{}.attach(model);
  Sequence sequence = some_sequence(5, 1);
  sequence.weights.assign(5, 0.0F);
  const TokenBatch batch = batch_of({sequence});
  CHECK(batch.predictions() == 0);
  CHECK(NextToken{}.count(batch) == 0.0);
  CHECK(add_gradients(model, state, batch, NextToken{}) == 0.0);
  CHECK(flat_gradient(state).abs().max().item<double>() == 0.0);
  CHECK(loss_sum(model, state, batch, NextToken{}) == 0.0);
}

TEST_CASE("hyperparameters out of range are refused with their name", "[next_token]") {
  CHECK_THROWS_WITH(NextToken{.label_smoothing = 1.0}.validate(),
                    Catch::Contains("label_smoothing"));
  CHECK_THROWS_WITH(NextToken{.z_loss = -1.0}.validate(), Catch::Contains("z_loss"));
  constexpr NextToken kGood{.label_smoothing = 0.1};
  CHECK_NOTHROW(kGood.validate());
}
