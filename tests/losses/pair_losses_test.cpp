// SPDX-License-Identifier: Apache-2.0
// Every loss on pairs against its formula in plain numbers: values, gradients, any split.
#include <algorithm>
#include <cmath>

#include "posttrain/base/describe.hpp"
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/aot_unpaired.hpp"
#include "posttrain/losses/apo_down.hpp"
#include "posttrain/losses/apo_zero.hpp"
#include "posttrain/losses/bco_pair.hpp"
#include "posttrain/losses/cpo.hpp"
#include "posttrain/losses/discopop.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/exo_pair.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/ipo.hpp"
#include "posttrain/losses/kto_pair.hpp"
#include "posttrain/losses/length_desensitized.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/nca_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/orpo.hpp"
#include "posttrain/losses/robust_dpo.hpp"
#include "posttrain/losses/sigmoid_norm.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/losses/sppo_hard.hpp"
#include "posttrain/losses/wpo.hpp"
#include "support/catch.hpp"
#include "support/score_tables.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

constexpr double kBeta = 0.3;

std::vector<AnswerPair> some_pairs(std::uint64_t count) {
  std::vector<AnswerPair> pairs;
  for (std::uint64_t i = 1; i <= count; ++i) {
    AnswerPair pair;
    pair.prompt = some_ids(3, i);
    pair.chosen.ids = some_ids(2 + static_cast<std::int64_t>(i * 7 % 5), 100 + i);
    pair.rejected.ids = some_ids(2 + static_cast<std::int64_t>(i * 3 % 4), 200 + i);
    for (Sequence* answer : {&pair.chosen, &pair.rejected}) {
      answer->weights.assign(answer->ids.size(), 1.0F);
    }
    pair.sample = static_cast<std::int64_t>(i);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

PairBatch packed(const std::vector<AnswerPair>& pairs, std::size_t begin, std::size_t end) {
  std::vector<const AnswerPair*> chosen;
  for (std::size_t i = begin; i < end; ++i) chosen.push_back(&pairs[i]);
  return pack_pairs(chosen);
}

/// What the formulas know of an answer.
struct Side {
  double logp = 0.0, ref = 0.0;            // whole
  double length = 0.0;                     // tokens
  double head_logp = 0.0, head_ref = 0.0;  // of the tokens within the other answer's length
  double alignment = 0.0;                  // mean of log p − log Σ p²
  double ratio() const { return logp - ref; }
  double mean() const { return logp / length; }
};
struct Sides {
  Side w, l;
};
using AllSides = std::vector<Sides>;

AllSides numbers(const std::vector<AnswerPair>& pairs, const ScoreTables& tables) {
  const auto answer = [&](const TokenIds& ids, std::size_t other) {
    Side all;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const double p = tables.policy[ids[i]].item<double>();
      const double r = tables.reference[ids[i]].item<double>();
      all.logp += p;
      all.ref += r;
      all.alignment += p - tables.log_sum_sq[ids[i]].item<double>();
      if (i < other) all.head_logp += p;
      if (i < other) all.head_ref += r;
    }
    all.length = static_cast<double>(ids.size());
    all.alignment /= all.length;
    return all;
  };
  AllSides all;
  for (const AnswerPair& pair : pairs) {
    all.push_back({answer(pair.chosen.ids, pair.rejected.ids.size()),
                   answer(pair.rejected.ids, pair.chosen.ids.size())});
  }
  return all;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double log_sig(double x) { return -std::log1p(std::exp(-x)); }

/// A mean over pairs of a formula for one.
template <class Formula>
auto mean_of(const Formula& formula) {
  return [formula](const AllSides& pairs, const AllSides&) {
    double sum = 0.0;
    for (const Sides& pair : pairs) sum += formula(pair.w, pair.l);
    return sum / static_cast<double>(pairs.size());
  };
}

/// `formula(now, held)`: the loss of a step; what carries no gradient is computed from `held`.
template <class Loss, class Formula>
void check(const Loss& loss, const Formula& formula) {
  INFO(describe(loss));
  loss.validate();
  const std::vector<AnswerPair> pairs = some_pairs(7);
  const ScoreTables tables = ScoreTables::some();
  const AllSides now = numbers(pairs, tables);
  const LossAndGradient whole = step_on(loss, tables, std::vector{packed(pairs, 0, 7)});
  const double expected = formula(now, now);
  CHECK(std::abs(whole.loss - expected) < 1e-10 * std::max(1.0, std::abs(expected)));
  const Tensor slopes = differences(
      tables, [&](const ScoreTables& there) { return formula(numbers(pairs, there), now); });
  CHECK(slopes.abs().max().item<double>() > 1e-4);
  CHECK((whole.gradient - slopes).abs().max().item<double>() <
        1e-6 * slopes.abs().max().item<double>());

  const std::vector<PairBatch> parts{packed(pairs, 0, 1), packed(pairs, 1, 5), packed(pairs, 5, 7)};
  const LossAndGradient split = step_on(loss, tables, parts);
  CHECK(std::abs(split.loss - whole.loss) < 1e-12 * std::max(1.0, std::abs(expected)));
  CHECK((split.gradient - whole.gradient).abs().max().item<double>() < 1e-12);
  REQUIRE(split.metrics.size() == whole.metrics.size());
  for (std::size_t i = 0; i < whole.metrics.size(); ++i) {
    INFO(whole.metrics[i].first);
    CHECK(std::abs(split.metrics[i].second - whole.metrics[i].second) < 1e-12);
  }
}

template <class Formula>
auto of_delta(const Formula& formula) {
  return mean_of(
      [formula](const Side& w, const Side& l) { return formula(kBeta * (w.ratio() - l.ratio())); });
}

}  // namespace

TEST_CASE("losses on the difference of log-ratios are their formulas", "[losses][pairs][C1]") {
  check(Dpo{.beta = kBeta}, of_delta([](double x) { return -log_sig(x); }));
  check(Dpo{.beta = kBeta, .label_smoothing = 0.2},
        of_delta([](double x) { return -0.8 * log_sig(x) - 0.2 * log_sig(-x); }));
  check(Hinge{.beta = kBeta}, of_delta([](double x) { return std::max(0.0, 1.0 - x); }));
  check(RobustDpo{.beta = kBeta, .label_smoothing = 0.2},
        of_delta([](double x) { return (-0.8 * log_sig(x) + 0.2 * log_sig(-x)) / 0.6; }));
  check(ExoPair{.beta = kBeta, .label_smoothing = 0.01}, of_delta([](double x) {
          const double q = sigmoid(x);
          return q * std::log(q / 0.99) + (1.0 - q) * std::log((1.0 - q) / 0.01);
        }));
  check(Discopop{.beta = kBeta, .tau = 0.5}, of_delta([](double x) {
          const double m = sigmoid(x / 0.5);
          return -log_sig(x) * (1.0 - m) + std::exp(-x) * m;
        }));
}

TEST_CASE("f-divergences change the scores", "[losses][pairs]") {
  const auto with = [](FDivergence type, double alpha, const auto& score) {
    const Divergence divergence{type, alpha};
    const auto delta = [score](const Side& w, const Side& l) {
      return score(w.ratio()) - score(l.ratio());
    };
    check(Dpo{.beta = kBeta, .divergence = divergence},
          mean_of([delta](const Side& w, const Side& l) { return -log_sig(kBeta * delta(w, l)); }));
    check(Hinge{.beta = kBeta, .divergence = divergence},
          mean_of([delta](const Side& w, const Side& l) {
            return std::max(0.0, 1.0 - kBeta * delta(w, l));
          }));
    check(Ipo{.beta = kBeta, .divergence = divergence},
          mean_of([score](const Side& w, const Side& l) {
            return std::pow(score(w.ratio()) / w.length - score(l.ratio()) / l.length - 0.5 / kBeta,
                            2.0);
          }));
    check(SigmoidNorm{.beta = 2.0, .divergence = divergence},
          mean_of([score](const Side& w, const Side& l) {
            return -log_sig(2.0 * (score(w.ratio()) / w.length - score(l.ratio()) / l.length));
          }));
  };
  with(FDivergence::reverse_kl, 0.5, [](double r) { return r; });
  with(FDivergence::forward_kl, 0.5, [](double r) { return 1.0 - std::exp(-r); });
  with(FDivergence::js_divergence, 0.5, [](double r) { return std::log(2.0) + log_sig(r); });
  with(FDivergence::alpha_divergence, 0.3,
       [](double r) { return (std::exp(-0.7 * r) - 1.0) / -0.7; });
}

TEST_CASE("losses on both log-ratios are their formulas", "[losses][pairs][C1]") {
  check(NcaPair{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          return -log_sig(kBeta * w.ratio()) - 0.5 * log_sig(-kBeta * w.ratio()) -
                 0.5 * log_sig(-kBeta * l.ratio());
        }));
  check(BcoPair{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          return -log_sig(kBeta * w.ratio()) - log_sig(-kBeta * l.ratio());
        }));
  check(SppoHard{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          return std::pow(w.ratio() - 0.5 / kBeta, 2.0) + std::pow(l.ratio() + 0.5 / kBeta, 2.0);
        }));
  check(ApoZero{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          return 1.0 - sigmoid(kBeta * w.ratio()) + sigmoid(kBeta * l.ratio());
        }));
  check(ApoDown{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          return sigmoid(kBeta * w.ratio()) + 1.0 - sigmoid(kBeta * (w.ratio() - l.ratio()));
        }));
}

TEST_CASE("losses without a reference are their formulas", "[losses][pairs][C1]") {
  check(SimPo{.beta = 2.0, .gamma = 0.7, .label_smoothing = 0.1},
        mean_of([](const Side& w, const Side& l) {
          const double x = 2.0 * (w.mean() - l.mean()) - 0.7;
          return -0.9 * log_sig(x) - 0.1 * log_sig(-x);
        }));
  check(Cpo{.beta = kBeta},
        mean_of([](const Side& w, const Side& l) { return -log_sig(kBeta * (w.logp - l.logp)); }));
  check(Orpo{.beta = kBeta}, mean_of([](const Side& w, const Side& l) {
          const auto log_odds = [](double log_p) {
            return log_p - std::log(1.0 - std::exp(log_p));
          };
          return -kBeta * log_sig(log_odds(w.mean()) - log_odds(l.mean()));
        }));
  CHECK_FALSE(needs_reference<SimPo>());
  CHECK(needs_reference<Ipo>());
}

TEST_CASE("losses that couple a step sort and average over all of it", "[losses][pairs][C1]") {
  const auto sorted = [](const AllSides& pairs, const auto& value) {
    std::vector<double> all;
    for (const Sides& pair : pairs) all.push_back(value(pair));
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto smoothed = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum -= 0.9 * log_sig(kBeta * (a[i] - b[i])) + 0.1 * log_sig(-kBeta * (a[i] - b[i]));
    }
    return sum / static_cast<double>(a.size());
  };
  check(AotPair{.beta = kBeta, .label_smoothing = 0.1}, [&](const AllSides& now, const AllSides&) {
    return smoothed(sorted(now, [](const Sides& p) { return p.w.logp - p.l.logp; }),
                    sorted(now, [](const Sides& p) { return p.w.ref - p.l.ref; }));
  });
  check(AotUnpaired{.beta = kBeta, .label_smoothing = 0.1},
        [&](const AllSides& now, const AllSides&) {
          return smoothed(sorted(now, [](const Sides& p) { return p.w.ratio(); }),
                          sorted(now, [](const Sides& p) { return p.l.ratio(); }));
        });
  check(KtoPair{.beta = kBeta}, [](const AllSides& now, const AllSides& held) {
    double w = 0.0, l = 0.0, sum = 0.0;
    for (const Sides& pair : held) {
      w += pair.w.ratio() / static_cast<double>(held.size());
      l += pair.l.ratio() / static_cast<double>(held.size());
    }
    for (const Sides& pair : now) {
      sum += 1.0 - sigmoid(kBeta * (pair.w.ratio() - std::max(0.0, l)));
      sum += 1.0 - sigmoid(kBeta * (std::max(0.0, w) - pair.l.ratio()));
    }
    return sum / static_cast<double>(2 * now.size());
  });
}

TEST_CASE("wrappers weigh pairs and shorten answers", "[losses][pairs]") {
  check(Wpo{Dpo{.beta = kBeta}}, [](const AllSides& now, const AllSides& held) {
    double sum = 0.0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      sum -= log_sig(kBeta * (now[i].w.ratio() - now[i].l.ratio())) *
             std::exp(held[i].w.alignment + held[i].l.alignment);
    }
    return sum / static_cast<double>(now.size());
  });
  const auto short_ratio = [](const Side& a) {
    return a.head_logp - a.head_ref + 0.5 * (a.ratio() - (a.head_logp - a.head_ref));
  };
  check(LengthDesensitized{Dpo{.beta = kBeta}, 0.5},
        mean_of([short_ratio](const Side& w, const Side& l) {
          return -log_sig(kBeta * (short_ratio(w) - short_ratio(l)));
        }));
  check(LengthDesensitized{Ipo{.beta = kBeta}, 0.5},
        mean_of([short_ratio](const Side& w, const Side& l) {
          return std::pow(short_ratio(w) / w.length - short_ratio(l) / l.length - 0.5 / kBeta, 2.0);
        }));
  check(Wpo{LengthDesensitized{Hinge{.beta = kBeta}, 0.5}},
        [short_ratio](const AllSides& now, const AllSides& held) {
          double sum = 0.0;
          for (std::size_t i = 0; i < now.size(); ++i) {
            sum += std::max(0.0, 1.0 - kBeta * (short_ratio(now[i].w) - short_ratio(now[i].l))) *
                   std::exp(held[i].w.alignment + held[i].l.alignment);
          }
          return sum / static_cast<double>(now.size());
        });
}

TEST_CASE("a sum of coupled and plain losses is the sum of their formulas", "[losses][pairs][C1]") {
  // MPO (arXiv 2411.10442): 0.8 DPO + 0.2 BCO + the likelihood of the chosen answers.
  const auto mpo =
      0.8 * Dpo{.beta = kBeta} + 0.2 * BcoPair{.beta = kBeta} + 1.0 * OnChosen{NextToken{}};
  check(mpo, [](const AllSides& now, const AllSides&) {
    double pairs = 0.0, nll = 0.0, tokens = 0.0;
    for (const Sides& pair : now) {
      const double w = pair.w.ratio(), l = pair.l.ratio();
      pairs -= 0.8 * log_sig(kBeta * (w - l)) + 0.2 * (log_sig(kBeta * w) + log_sig(-kBeta * l));
      nll -= pair.w.logp;
      tokens += pair.w.length;
    }
    return pairs / static_cast<double>(now.size()) + nll / tokens;
  });
}

TEST_CASE("losses refuse options without a meaning", "[losses][pairs]") {
  CHECK_THROWS_WITH(ExoPair{.label_smoothing = 0.0}.validate(),
                    "posttrain: ExoPair.label_smoothing must be in (0, 0.5)");
  CHECK_THROWS_WITH(Ipo{.beta = 0.0}.validate(), "posttrain: Ipo.beta must be positive");
  CHECK_THROWS_WITH((Dpo{.divergence = {FDivergence::alpha_divergence, 1.0}}.validate()),
                    "posttrain: Divergence.alpha must not be 1");
  CHECK_THROWS_WITH((LengthDesensitized{Dpo{}, 1.5}.validate()),
                    "posttrain: LengthDesensitized.alpha must be in [0, 1]");
}
