// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/kl.hpp"

#include <cmath>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// A distribution over six tokens by its logits, in double.
Tensor logits() { return at::tensor({0.3, -1.0, 0.8, 0.0, -0.4, 1.1}, at::kDouble); }
Tensor other_logits(double shift) {
  return logits() + shift * at::sin(at::arange(6, at::kDouble) * 2.0);
}

/// The gradient in the logits of the expected penalty under samples of `old`, written out over all
/// tokens. The expectation itself carries no gradient: only the penalty does.
Tensor expected_gradient(const Kl& kl, const Tensor& old) {
  const Tensor z = logits().requires_grad_();
  const Tensor logps = at::log_softmax(z, 0);
  const Tensor old_logps = at::log_softmax(old, 0);
  const Tensor ref = at::log_softmax(other_logits(0.7), 0);
  const Tensor ratio = exp(logps - old_logps);
  (kl.penalty(logps, ref, ratio) * exp(old_logps)).sum().backward();
  return z.grad();
}

/// Central differences of a divergence in the logits.
template <class Divergence>
Tensor slopes(const Divergence& divergence) {
  const Tensor ref = at::log_softmax(other_logits(0.7), 0);
  std::vector<double> all;
  for (std::int64_t i = 0; i < 6; ++i) {
    const auto moved = [&](double by) {
      Tensor z = logits();
      z[i] += by;
      return divergence(at::log_softmax(z, 0), ref).template item<double>();
    };
    all.push_back((moved(1e-5) - moved(-1e-5)) / 2e-5);
  }
  return at::tensor(all, at::kDouble);
}

Tensor reverse_kl(const Tensor& p, const Tensor& ref) { return (exp(p) * (p - ref)).sum(); }
Tensor forward_kl(const Tensor& p, const Tensor& ref) { return (exp(ref) * (ref - p)).sum(); }

Kl of(KlEstimator estimator) { return {.coefficient = 1.0, .estimator = estimator}; }

}  // namespace

TEST_CASE("expected gradients of the estimators are those of their divergences", "[losses][kl]") {
  const Tensor reverse = slopes(reverse_kl), forward = slopes(forward_kl);
  REQUIRE(largest(reverse - forward) > 0.01);
  const auto on_policy = [](KlEstimator estimator) {
    return expected_gradient(of(estimator), logits());
  };
  CHECK(largest(on_policy(KlEstimator::k1)) < 1e-12);
  CHECK(largest(on_policy(KlEstimator::k2) - reverse) < 1e-8);
  CHECK(largest(on_policy(KlEstimator::k3) - forward) < 1e-8);
  CHECK(largest(on_policy(KlEstimator::k3_k2_gradient) - reverse) < 1e-8);
  CHECK(largest(on_policy(KlEstimator::k3_corrected) - reverse) < 1e-8);
}

TEST_CASE("the corrected estimator's gradient is right off policy, too", "[losses][kl]") {
  const Tensor old = other_logits(-0.5), reverse = slopes(reverse_kl);
  CHECK(largest(expected_gradient(of(KlEstimator::k3_corrected), old) - reverse) < 1e-8);
  CHECK(largest(expected_gradient(of(KlEstimator::k2), old) - reverse) > 0.01);
}

TEST_CASE("estimators have the expectation that they estimate", "[losses][kl]") {
  const Tensor p = at::log_softmax(logits(), 0), ref = at::log_softmax(other_logits(0.7), 0);
  const double kl = reverse_kl(p, ref).item<double>();
  for (const KlEstimator estimator :
       {KlEstimator::k1, KlEstimator::k3, KlEstimator::k3_k2_gradient, KlEstimator::k3_corrected}) {
    const Tensor values = of(estimator).penalty(p, ref, at::ones({6}, at::kDouble));
    CHECK((exp(p) * values).sum().item<double>() == Approx(kl));
  }
  CHECK((of(KlEstimator::k3).penalty(p, ref, {}) >= 0.0).all().item<bool>());
}

TEST_CASE("the host's estimate is the tensors', with clamped exponents", "[losses][kl]") {
  for (const KlEstimator estimator : {KlEstimator::k1, KlEstimator::k2, KlEstimator::k3}) {
    Kl kl = of(estimator);
    kl.coefficient = 0.25;
    for (const double d : {0.0, 0.3, -2.0, 100.0, -100.0}) {
      const Tensor value = kl.penalty(at::full({1}, d, at::kDouble), at::zeros({1}, at::kDouble),
                                      at::ones({1}, at::kDouble));
      CHECK(kl.penalty(d, 0.0) == Approx(value.item<double>()));
      CHECK(std::isfinite(kl.penalty(d, 0.0)));
    }
  }
}

TEST_CASE("KL in the loss adds its estimate to each token", "[losses][kl]") {
  const auto check = [](KlEstimator estimator, auto estimate) {
    using Loss = PolicyLoss<Clip, TokenRatio, Kl>;
    static_assert(Loss::needs_reference && !PolicyLoss<>::needs_reference);
    check_policy_loss(
        Loss{.kl = {.coefficient = 0.4, .estimator = estimator}},
        of_tokens([estimate](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
          const double w = now.ratio(t), a = now.advantage[t];
          return -std::min(w * a, std::clamp(w, 0.8, 1.2) * a) +
                 0.4 * estimate(now.logp[t] - now.ref[t], w);
        }));
  };
  check(KlEstimator::k2, [](double d, double) { return 0.5 * d * d; });
  check(KlEstimator::k3, [](double d, double) { return std::exp(-d) + d - 1.0; });
  check(KlEstimator::k3_corrected, [](double d, double w) { return (std::exp(-d) + d - 1.0) * w; });
}

TEST_CASE("k1 in the loss is refused, and what differs by its gradient in the reward",
          "[losses][kl]") {
  CHECK_THROWS_WITH((Kl{.estimator = KlEstimator::k1}.validate()),
                    Catch::Contains("expected gradient is zero"));
  CHECK_NOTHROW((Kl{.estimator = KlEstimator::k1, .place = KlPlace::reward}.validate()));
  CHECK_THROWS_WITH(
      (Kl{.estimator = KlEstimator::k3_corrected, .place = KlPlace::reward}.validate()),
      Catch::Contains("k1, k2 or k3 in the reward"));
  CHECK_THROWS_WITH((Kl{.coefficient = -1.0}.validate()), Catch::Contains("Kl.coefficient"));
}
