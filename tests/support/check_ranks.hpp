// SPDX-License-Identifier: Apache-2.0
// The check that several ranks train what one rank trains: losses, weights and validations agree to
// 1e-6 after 20 steps. Ranks are threads; tests/end_to_end/ranks_test.py has processes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/rank_threads.hpp"
#include "support/small_run.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

/// What a run of one rank left.
struct RankRun {
  std::vector<double> losses, norms, validations;
  std::vector<std::vector<std::pair<std::string, double>>> metrics;
  std::vector<Tensor> weights;
};

struct RankRecorder {
  RankRun* run;
  void on(const event::AfterStep& event) const {
    run->losses.push_back(event.metrics.loss);
    run->norms.push_back(event.metrics.grad_norm);
    run->metrics.push_back(event.metrics.loss_metrics);
  }
  void on(const event::Evaluated& event) const { run->validations.push_back(event.loss); }
};

template <class Make>
RankRun run_on(const Make& make, const Ranks& ranks) {
  RankRun run;
  auto trainer = make(ranks);
  trainer.add(RankRecorder{&run});
  trainer.train();
  for (const ParameterGroup& group : trainer.state().trainable()) {
    run.weights.push_back(group.master.to(at::kDouble).clone());
  }
  return run;
}

inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i])));
  }
  return worst;
}

inline double distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return 1e9;
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, ((a[i] - b[i]).norm() / b[i].norm()).item<double>());
  }
  return worst;
}

inline bool on_cpu() { return test_device().text() == "cpu"; }

/// Several ranks train what one rank trains; the greatest number of them in slices, too.
/// `make(ranks)`: the trainer of a run. Nothing where the tests run on a device, which Gloo does
/// not reach.
template <class Make>
void check_ranks(const Make& make, std::initializer_list<std::int64_t> sizes = {2, 3}) {
  REQUIRE(has_gloo());
  if (!on_cpu()) return;
  const RankRun alone = run_on(make, {.over = std::make_shared<Single>()});
  REQUIRE_FALSE(alone.losses.empty());
  for (const std::int64_t size : sizes) {
    for (const auto sharding : {Ranks::Sharding::none, Ranks::Sharding::optimizer}) {
      if (sharding != Ranks::Sharding::none && size != *(sizes.end() - 1)) continue;
      CAPTURE(size, enum_name(sharding));
      std::vector<RankRun> runs(static_cast<std::size_t>(size));
      const auto errors = on_gloo(size, [&](const std::shared_ptr<Communicator>& ranks) {
        runs[static_cast<std::size_t>(ranks->rank())] =
            run_on(make, {.sharding = sharding, .bucket = 1000, .over = ranks});
      });
      REQUIRE(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
      CHECK(distance(runs[0].losses, alone.losses) < 1e-6);
      CHECK(distance(runs[0].norms, alone.norms) < 1e-5);
      CHECK(distance(runs[0].validations, alone.validations) < 1e-6);
      CHECK(distance(runs[0].weights, alone.weights) < 1e-6);
      for (std::size_t step = 0; step < alone.metrics.size(); ++step) {
        REQUIRE(runs[0].metrics[step].size() == alone.metrics[step].size());
      }
      // Ranks agree to the bit.
      for (const RankRun& run : runs) {
        CHECK(run.losses == runs[0].losses);
        CHECK(distance(run.weights, runs[0].weights) == 0.0);
      }
    }
  }
}

inline Options rank_options(std::int64_t batch_size = 6) {
  Options all = small_run(20, batch_size, 64);
  all.learning_rate = 1e-3;
  all.validation_frequency = 10;
  all.stop_on_signal = false;
  return all;
}

inline FixedItems<SequenceKind> rank_sequences() {
  std::vector<Sequence> train, validation;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    train.push_back(some_sequence(3 + static_cast<std::int64_t>(seed * 5 % 17), seed));
  }
  for (std::uint64_t seed = 30; seed < 35; ++seed) {
    validation.push_back(some_sequence(7, seed));
  }
  return {train, validation};
}

template <class Params>
auto next_token_with(const Params& params, std::int64_t batch_size = 6) {
  return [params, batch_size](const Ranks& ranks) {
    return Trainer(tiny_model(at::kFloat), NextToken{}, params, rank_sequences(), AdamW{},
                   rank_options(batch_size), ranks);
  };
}

}  // namespace posttrain::test
