// SPDX-License-Identifier: Apache-2.0
// Runs on what the model of rollout_model.hpp writes, with all that they leave; whole, and
// interrupted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"

namespace posttrain::test {

/// Steps of 8 completions at a constant learning rate.
inline Options rollout_options(std::int64_t steps) {
  Options options = small_run(steps, 8, 200);
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  return options;
}

/// The policy that a stream of rollouts asks, outside of a run.
template <class Loss>
struct AskedPolicy {
  TalkingModel model{};
  FullState state = Full{}.attach(model);
  Options options = rollout_options(1);
  Loss loss{};
  PolicyView<TalkingModel, FullState, Loss> view{model, state, loss, options, 0};

  /// The stream of a data policy in steps of eight completions.
  template <class Data>
  auto open(const Data& data) const {
    data::LoadContext context;
    context.text = model.text();
    context.max_tokens_per_batch = 200;
    return data.open(context, 8);
  }
};

struct RolloutRun {
  std::vector<Rollout> rollouts;
  std::vector<StepMetrics> steps;
  std::vector<Tensor> weights;
  std::vector<double> validations;  // losses of them
  double val_loss = 0.0;
};

namespace detail {
struct HearsRollouts {
  RolloutRun* run;
  void on(const event::RolloutEnd& event) { run->rollouts.push_back(*event.rollout); }
  void on(const event::AfterStep& event) { run->steps.push_back(event.metrics); }
  void on(const event::Evaluated& event) { run->validations.push_back(event.loss); }
};
}  // namespace detail

template <class Loss, class Params, class Data>
RolloutRun run_rollouts(const Loss& loss, const Params& params, const Data& data,
                        const Options& options) {
  RolloutRun run;
  Trainer trainer(TalkingModel(), loss, params, data, AdamW{}, options);
  trainer.add(detail::HearsRollouts{&run});
  run.val_loss = trainer.train().val_loss;
  for (const NamedTensor& tensor : trainer.state().weights()) {
    run.weights.push_back(tensor.value.clone());
  }
  return run;
}

inline bool same_weights(const RolloutRun& a, const RolloutRun& b) {
  return std::ranges::equal(a.weights, b.weights,
                            [](const Tensor& x, const Tensor& y) { return at::equal(x, y); });
}

/// A run of `steps` steps, and the same one ended after each of `stops` and resumed.
template <class Loss, class Params, class Data>
void check_resumes(const Loss& loss, const Params& params, const Data& data, std::int64_t steps,
                   std::initializer_list<std::int64_t> stops) {
  const TempFolder folder;
  const RolloutRun whole = run_rollouts(loss, params, data, rollout_options(steps));
  for (const std::int64_t stop : stops) {
    CAPTURE(stop);
    Options options = rollout_options(stop);
    const std::string place = (folder / ("run-" + std::to_string(stop))).string();
    options.run_dir = place;
    const RolloutRun begun = run_rollouts(loss, params, data, options);
    options.max_steps = steps;
    const RolloutRun rest = run_rollouts(loss, params, data, options);
    CHECK(rest.steps.size() == static_cast<std::size_t>(steps - stop));
    CHECK(begun.rollouts.size() + rest.rollouts.size() == whole.rollouts.size());
    CHECK(same_weights(rest, whole));
  }
}

}  // namespace posttrain::test
