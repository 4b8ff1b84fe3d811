// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/divergence.hpp"

#include <limits>

#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

/// By plain operators in double, with autograd's own graph.
Tensor plain_divergence(const Tensor& student, const Tensor& teacher, double beta) {
  const Tensor p = student.to(at::kDouble).softmax(1), q = teacher.to(at::kDouble).softmax(1);
  const auto relative = [](const Tensor& a, const Tensor& b) { return (a * (a / b).log()).sum(1); };
  if (beta == 0.0) return relative(q, p);
  if (beta == 1.0) return relative(p, q);
  const Tensor m = beta * q + (1.0 - beta) * p;
  return beta * relative(q, m) + (1.0 - beta) * relative(p, m);
}

LogitsOf rows_of(const Tensor& logits) {
  return {logits,
          logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).logsumexp(1)};
}

struct Case {
  at::ScalarType type;
  double tolerance;
};

}  // namespace

TEST_CASE("a divergence and its gradient are those of the plain formulas", "[tensor][divergence]") {
  const Tensor upstream = normal({6}, 5, at::kFloat);
  for (const double beta : {0.0, 0.1, 0.5, 1.0}) {
    for (const Case& each :
         {Case{at::kDouble, 1e-12}, Case{at::kFloat, 3e-6}, Case{at::kBFloat16, 1e-2}}) {
      CAPTURE(beta, each.type);
      const Tensor z = (normal({6, 5003}, 1, at::kFloat) * 2.0).to(each.type);
      const Tensor t = (normal({6, 5003}, 2, at::kFloat) * 2.0).to(each.type);
      const Tensor exact = z.to(at::kDouble).requires_grad_();
      const Tensor expected = plain_divergence(exact, t, beta);
      (expected * upstream).sum().backward();
      const LogitsOf student = rows_of(z), teacher = rows_of(t.clone());
      const RowDivergence divergence = divergence_rows(student, teacher, beta);
      CHECK(relative_error(divergence.value, expected) < (each.type == at::kDouble ? 1e-12 : 2e-6));
      divergence_backward_(student, teacher, divergence, upstream, beta);
      CHECK(relative_error(teacher.logits, exact.grad()) < each.tolerance);
    }
  }
}

TEST_CASE("equal distributions do not differ, whatever is added to their logits",
          "[tensor][divergence]") {
  const Tensor z = normal({3, 100}, 1, at::kFloat);
  for (const double beta : {0.0, 0.3, 1.0}) {
    const LogitsOf student = rows_of(z), teacher = rows_of(z + 7.0);
    const RowDivergence divergence = divergence_rows(student, teacher, beta);
    CHECK(divergence.value.abs().max().item<double>() < 1e-6);
    divergence_backward_(student, teacher, divergence, at::ones({3}), beta);
    CHECK(teacher.logits.abs().max().item<double>() < 1e-6);
  }
}

TEST_CASE("tokens that both rule out do not count, one that the other allows is infinitely far",
          "[tensor][divergence]") {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const double beta : {0.0, 0.5, 1.0}) {
    Tensor z = normal({2, 40}, 1, at::kFloat), t = normal({2, 40}, 2, at::kFloat);
    z.narrow(1, 3, 5).fill_(kNever);
    t.narrow(1, 3, 5).fill_(kNever);
    const auto kept = [](const Tensor& x) {
      return at::cat({x.narrow(1, 0, 3), x.narrow(1, 8, 32)}, 1);
    };
    const RowDivergence divergence = divergence_rows(rows_of(z), rows_of(t), beta);
    CHECK(relative_error(divergence.value, plain_divergence(kept(z), kept(t), beta)) < 1e-6);
    const LogitsOf teacher = rows_of(t.clone());
    divergence_backward_(rows_of(z), teacher, divergence, at::ones({2}), beta);
    CHECK(teacher.logits.narrow(1, 3, 5).count_nonzero().item<std::int64_t>() == 0);
    t.narrow(1, 3, 1).fill_(1.0);
    const double far = divergence_rows(rows_of(z), rows_of(t), beta).value[0].item<double>();
    CHECK(std::isinf(far) == (beta == 0.0));
  }
}

TEST_CASE("a divergence is a score beside the others, and carries its gradient",
          "[tensor][divergence][lm_head]") {
  const Tensor target = at::tensor({3, 0, 7}, at::kLong), teacher = normal({3, 9}, 4) * 2.0;
  for (const double beta : {0.0, 0.4, 1.0}) {
    const Need need{.entropy = true, .divergence = beta};
    const auto alone = [&](const Tensors& in) {
      return score_logits(in[0] + 0.0, target, need, teacher.clone()).divergence;
    };
    const auto both = [&](const Tensors& in) {
      const Scores scores = score_logits(in[0] + 0.0, target, need, teacher.clone());
      return scores.divergence * scores.entropy - 0.3 * scores.logp;
    };
    CHECK(gradient_error(alone, {normal({3, 9}, 2) * 2.0}) < 1e-8);
    CHECK(gradient_error(both, {normal({3, 9}, 2) * 2.0}) < 1e-8);
  }
}

TEST_CASE("what cannot be compared is refused", "[tensor][divergence]") {
  const LogitsOf rows = rows_of(at::zeros({2, 4})), wide = rows_of(at::zeros({2, 5}));
  CHECK_THROWS_WITH(divergence_rows(rows, wide, 0.5), Catch::Contains("two sets of logits [n, V]"));
  CHECK_THROWS_WITH(divergence_rows(rows, rows, 1.5), Catch::Contains("β in [0, 1], got 1.5"));
}
