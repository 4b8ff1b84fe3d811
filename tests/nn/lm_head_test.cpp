// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/lm_head.hpp"

#include "posttrain/nn/linear.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

constexpr std::int64_t kVocabulary = 11;

Tensor targets(std::int64_t count) {
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back((5 * i + 3) % kVocabulary);
  return at::tensor(ids, at::kLong);
}

/// All four scores by plain operations, with autograd's own graph.
Scores plain_scores(const Tensor& z, const Tensor& target) {
  const Tensor lse = at::logsumexp(z, 1), p = at::softmax(z, 1);
  return {z.gather(1, target.unsqueeze(1)).squeeze(1) - lse, lse - (p * z).sum(1), lse, z.mean(1)};
}

/// Everything that a loss can ask for; row-local or not by choice.
template <bool kRowLocal>
struct AllScores {
  using Batch = TokenBatch;
  static constexpr bool row_local = kRowLocal;
  Need needs() const { return {.entropy = true, .lse = true, .mean_logit = true}; }
  double count(const Batch& batch) const { return static_cast<double>(batch.predictions()); }
  Tensor sum(const Scores& s, const Batch& batch) const {
    return ((-s.logp + 0.3 * s.entropy + 0.01 * s.lse * s.lse - 0.2 * s.mean_logit) * batch.weight)
        .sum();
  }
};

/// Couples its rows: cannot be evaluated chunk by chunk.
struct Coupled {
  using Batch = TokenBatch;
  static constexpr bool row_local = false;
  double count(const Batch&) const { return 1.0; }
  Tensor sum(const Scores& s, const Batch&) const { return s.logp.sum() * s.logp.sum(); }
};

/// Predictions that are scored on some columns.
struct Kept : TokenBatch {
  KeptColumns support{};
  Kept slice(std::int64_t begin, std::int64_t end) const {
    return {TokenBatch::slice(begin, end), support.slice(begin, end)};
  }
};

/// What a loss can ask for of such.
template <bool kRowLocal>
struct KeptScores {
  static constexpr bool row_local = kRowLocal;
  Tensor sum(const Scores& s, const TokenBatch& batch) const {
    return ((-s.logp + 0.3 * s.entropy + 0.01 * s.lse * s.lse) * batch.weight).sum();
  }
};

TokenBatch batch_of_rows(std::int64_t tokens, std::int64_t predictions) {
  TokenBatch batch;
  batch.ids = at::zeros({tokens}, at::kLong);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < predictions; ++i) rows.push_back((3 * i) % tokens);  // some twice
  batch.row = at::tensor(rows, at::kLong);
  batch.target = targets(predictions);
  batch.weight = normal({predictions}, 8, at::kFloat).abs();
  batch.offsets = {0, predictions};
  return batch;
}

struct Head {
  Tensor weight = normal({kVocabulary, 4}, 1);
  Weight site{weight,
              {},
              at::zeros({kVocabulary, 4}, at::kDouble),
              {},
              at::zeros({}, at::kDouble).requires_grad_()};
  Tensor operator()(const Tensor& rows) const { return linear(rows, site); }
};

}  // namespace

TEST_CASE("scores are those of the plain formulas", "[tensor][lm_head]") {
  const Tensor z = normal({9, kVocabulary}, 1) * 3.0;
  const Scores expected = plain_scores(z, targets(9));
  const Scores all =
      score_logits(z.clone(), targets(9), {.entropy = true, .lse = true, .mean_logit = true});
  CHECK(relative_error(all.logp, expected.logp) < 1e-13);
  CHECK(relative_error(all.entropy, expected.entropy) < 1e-13);
  CHECK(relative_error(all.lse, expected.lse) < 1e-13);
  CHECK(relative_error(all.mean_logit, expected.mean_logit) < 1e-13);
  const Scores least = score_logits(z.clone(), targets(9), {});
  CHECK(least.logp.defined());
  CHECK_FALSE(least.entropy.defined());
  CHECK_FALSE(least.lse.defined());
  CHECK_FALSE(least.mean_logit.defined());
}

TEST_CASE("each score's gradient is that of finite differences", "[tensor][lm_head]") {
  // The backward pass overwrites the logits: hence `+ 0.0`, a fresh tensor each time.
  const auto error_of = [](Tensor Scores::*field, Need need) {
    return gradient_error(
        [=](const Tensors& in) { return score_logits(in[0] + 0.0, targets(5), need).*field; },
        {normal({5, kVocabulary}, 2) * 2.0});
  };
  const Need everything{.entropy = true, .lse = true, .mean_logit = true};
  CHECK(error_of(&Scores::logp, {}) < 1e-8);
  CHECK(error_of(&Scores::logp, everything) < 1e-8);
  CHECK(error_of(&Scores::entropy, {.entropy = true}) < 1e-8);
  CHECK(error_of(&Scores::entropy, everything) < 1e-8);
  CHECK(error_of(&Scores::lse, {.lse = true}) < 1e-8);
  CHECK(error_of(&Scores::mean_logit, {.mean_logit = true}) < 1e-8);
}

TEST_CASE("gradients of several scores add up", "[tensor][lm_head]") {
  const Need everything{.entropy = true, .lse = true, .mean_logit = true};
  CHECK(gradient_error(
            [&](const Tensors& in) {
              const Scores s = score_logits(in[0] + 0.0, targets(5), everything);
              return s.logp * s.entropy - 0.5 * s.lse * s.mean_logit;
            },
            {normal({5, kVocabulary}, 2) * 2.0}) < 1e-8);
}

TEST_CASE("scores and gradients do not depend on the chunk", "[tensor][lm_head][C1]") {
  const TokenBatch batch = batch_of_rows(7, 13);
  // Reference: the whole at once by plain operations.
  const Tensor hidden2 = normal({7, 4}, 3).requires_grad_();
  const Head reference;
  const Tensor w = reference.weight.clone().requires_grad_();
  const AllScores<true> local;
  const Tensor expected = local.sum(
      plain_scores(hidden2.index_select(0, batch.row).matmul(w.t()), batch.target), batch);
  (expected * 0.125).backward();

  for (const std::int64_t chunk : {1, 4, 13, 512}) {
    const auto check = [&](const auto& loss) {
      const Head head;
      const Tensor hidden = normal({7, 4}, 3).requires_grad_();
      const double sum =
          backward_through_head(head, hidden * 1.0, batch, loss, loss.needs(), 0.125, chunk)
              .item()
              .toDouble();
      INFO("chunk " << chunk << ", row-local " << loss.row_local);
      CHECK(sum == Approx(expected.item<double>()).epsilon(1e-12));
      CHECK(relative_error(hidden.grad(), hidden2.grad()) < 1e-12);
      CHECK(relative_error(head.site.grad, w.grad()) < 1e-12);
    };
    check(AllScores<true>{});
    check(AllScores<false>{});
    const Head head;
    const Scores scores = score_predictions(head, normal({7, 4}, 3), batch, local.needs(), chunk);
    CHECK(local.sum(scores, batch).item<double>() ==
          Approx(expected.item<double>()).epsilon(1e-12));
    CHECK_FALSE(scores.logp.requires_grad());
  }
}

TEST_CASE("predictions are scored among the columns that they keep", "[tensor][lm_head]") {
  constexpr std::int64_t kCount = 13;
  Kept batch{batch_of_rows(7, kCount), {}};
  // The target and two more; every fourth prediction keeps all.
  std::vector<std::int64_t> column, prediction;
  const Tensor cut = at::zeros({kCount, kVocabulary}, at::kBool);
  for (std::int64_t i = 0; i < kCount; ++i) {
    if (i % 4 != 3) {
      cut[i].fill_(true);
      for (const std::int64_t step : {0, 2, 5}) {
        column.push_back((batch.target[i].item<std::int64_t>() + step) % kVocabulary);
        prediction.push_back(i);
        cut[i][column.back()].fill_(false);
      }
    }
    batch.support.ends.push_back(std::ssize(column));
  }
  batch.support.column = at::tensor(column, at::kLong);
  batch.support.prediction = at::tensor(prediction, at::kLong);

  // Reference: a softmax over what is kept by plain operations.
  const Head reference;
  const Tensor w = reference.weight.clone().requires_grad_();
  const Tensor hidden2 = normal({7, 4}, 3).requires_grad_();
  const Tensor z = hidden2.index_select(0, batch.row).matmul(w.t()).masked_fill(cut, -1e300);
  const Tensor logp = z.log_softmax(1), p = logp.exp();
  const Scores expected{logp.gather(1, batch.target.unsqueeze(1)).squeeze(1),
                        -(p * logp.masked_fill(cut, 0.0)).sum(1), at::logsumexp(z, 1), Tensor()};
  const Tensor sum = KeptScores<true>{}.sum(expected, batch);
  sum.backward();

  const Need need{.entropy = true, .lse = true, .log_sum_sq = true};
  for (const std::int64_t chunk : {1, 4, 13, 512}) {
    CAPTURE(chunk);
    const auto check = [&](const auto& loss) {
      const Head head;
      const Tensor hidden = normal({7, 4}, 3).requires_grad_();
      const Tensor got = backward_through_head(head, hidden * 1.0, batch, loss, need, 1.0, chunk);
      CHECK(got.item<double>() == Approx(sum.item<double>()).epsilon(1e-12));
      CHECK(relative_error(hidden.grad(), hidden2.grad()) < 1e-12);
      CHECK(relative_error(head.site.grad, w.grad()) < 1e-12);
    };
    check(KeptScores<true>{});
    check(KeptScores<false>{});
    const Scores scores = score_predictions(Head{}, normal({7, 4}, 3), batch, need, chunk);
    CHECK(relative_error(scores.logp, expected.logp.detach()) < 1e-12);
    CHECK(relative_error(scores.entropy, expected.entropy.detach()) < 1e-12);
    CHECK(relative_error(scores.log_sum_sq, (p * p).sum(1).log().detach()) < 1e-12);
  }

  // A teacher is compared with among the same columns.
  const Tensor teacher = normal({kVocabulary, 4}, 6);
  const auto of_teacher = [&](const Tensor& rows) { return rows.matmul(teacher.t()); };
  for (const double beta : {0.0, 0.3, 1.0}) {
    CAPTURE(beta);
    const ScoringHead head(Head{}, {}, of_teacher);
    const Scores scores =
        score_predictions(head, normal({7, 4}, 3), batch, {.divergence = beta}, 5);
    const Tensor q = of_teacher(normal({7, 4}, 3).index_select(0, batch.row))
                         .masked_fill(cut, -1e300)
                         .softmax(1);
    // Kullback and Leibler's, 0 where x is.
    const auto kl = [](const Tensor& x, const Tensor& y) {
      return at::where(x > 0, x * (x.clamp_min(1e-300).log() - y.clamp_min(1e-300).log()),
                       at::zeros_like(x))
          .sum(1);
    };
    const Tensor student = p.detach(), mixture = beta * q + (1.0 - beta) * student;
    const Tensor wanted = beta == 0.0 ? kl(q, student)
                          : beta == 1.0
                              ? kl(student, q)
                              : beta * kl(q, mixture) + (1.0 - beta) * kl(student, mixture);
    CHECK(relative_error(scores.divergence, wanted) < 1e-9);
  }
}

TEST_CASE("a critic's values are scores beside those of the logits", "[tensor][lm_head]") {
  const TokenBatch batch = batch_of_rows(7, 13);
  const Tensor direction = normal({4}, 9);
  const auto sum_of = [&](const Tensor& logps, const Tensor& values) {
    return (values * values * batch.weight).sum() - 0.2 * (logps * values).sum();
  };
  const Tensor hidden2 = normal({7, 4}, 3).requires_grad_();
  const Tensor rows = hidden2.index_select(0, batch.row);
  const Head plain;
  const Tensor expected = sum_of(plain_scores(rows.matmul(plain.weight.t()), batch.target).logp,
                                 rows.matmul(direction));
  expected.backward();
  for (const std::int64_t chunk : {4, 512}) {
    const auto check = [&](bool whole) {
      const Head logits;
      const ScoringHead head{logits, [&](const Tensor& x) { return x.matmul(direction); }};
      const Tensor hidden = normal({7, 4}, 3).requires_grad_();
      const auto loss = [&](const Scores& scores, std::int64_t begin, std::int64_t size) {
        const Tensor weight = batch.weight.narrow(0, begin, size);
        return (scores.value * scores.value * weight).sum() -
               0.2 * (scores.logp * scores.value).sum();
      };
      const PredictedRows predicted{batch.row, batch.target};
      const Need need{.value = true};
      const Tensor sum = whole ? posttrain::detail::backward_whole(head, hidden * 1.0, predicted,
                                                                   loss, need, 1.0, chunk)
                               : posttrain::detail::backward_row_local(
                                     head, hidden * 1.0, predicted, loss, need, 1.0, chunk);
      CHECK(sum.item<double>() == Approx(expected.item<double>()).epsilon(1e-12));
      CHECK(relative_error(hidden.grad(), hidden2.grad()) < 1e-12);
    };
    check(true);
    check(false);
  }
  CHECK_THROWS_WITH(score_predictions(plain, normal({7, 4}, 3), batch, {.value = true}, 4),
                    Catch::Contains("expected parameters with a critic"));
}

TEST_CASE("a loss that couples all rows gets its exact gradient", "[tensor][lm_head]") {
  const TokenBatch batch = batch_of_rows(7, 13);
  const Tensor hidden2 = normal({7, 4}, 3).requires_grad_();
  const Head head;
  const Tensor w = head.weight.clone().requires_grad_();
  Coupled{}
      .sum(plain_scores(hidden2.index_select(0, batch.row).matmul(w.t()), batch.target), batch)
      .backward();
  const Tensor hidden = normal({7, 4}, 3).requires_grad_();
  backward_through_head(head, hidden * 1.0, batch, Coupled{}, {}, 1.0, 4);
  CHECK(relative_error(hidden.grad(), hidden2.grad()) < 1e-12);
  CHECK(relative_error(head.site.grad, w.grad()) < 1e-12);
}

TEST_CASE("the head trains above hidden rows that do not", "[tensor][lm_head]") {
  const TokenBatch batch = batch_of_rows(7, 13);
  const Head both, alone;
  const AllScores<true> loss;
  const Tensor hidden = normal({7, 4}, 3);
  backward_through_head(both, hidden.clone().requires_grad_() * 1.0, batch, loss, loss.needs(), 1.0,
                        4);
  backward_through_head(alone, hidden, batch, loss, loss.needs(), 1.0, 4);
  CHECK(at::equal(both.site.grad, alone.site.grad));
}

TEST_CASE("a batch without predictions gives zero and no gradient", "[tensor][lm_head][C3]") {
  const TokenBatch batch = batch_of_rows(7, 0);
  const Head head;
  const AllScores<true> loss;
  const Tensor hidden = normal({7, 4}, 3).requires_grad_();
  CHECK(backward_through_head(head, hidden * 1.0, batch, loss, loss.needs(), 1.0, 4)
            .item()
            .toDouble() == 0.0);
  CHECK(hidden.grad().abs().sum().item<double>() == 0.0);
  CHECK(score_predictions(head, hidden, batch, loss.needs(), 4).logp.numel() == 0);
  const AllScores<false> coupled;
  CHECK(backward_through_head(head, hidden * 1.0, batch, coupled, coupled.needs(), 1.0, 4)
            .item()
            .toDouble() == 0.0);
}

TEST_CASE("chunks of the head are bounded in rows and in logits", "[tensor][lm_head]") {
  CHECK(head_chunk_rows(1) == 1024);
  CHECK(head_chunk_rows(32000) == 1024);
  CHECK(head_chunk_rows(65536) == 512);
  CHECK(head_chunk_rows(151936) == 192);
  CHECK(head_chunk_rows(262144) == 128);
  CHECK(head_chunk_rows(10000000) == 128);
  CHECK(head_chunk_rows(0) == 1024);
  CHECK(head_chunk_rows(32000, at::kCUDA) == 16384);
  CHECK(head_chunk_rows(151936, at::kCUDA) == 3520);
}
