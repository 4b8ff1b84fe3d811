// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/measure.hpp"

#include <cmath>

#include "posttrain/recipes/estimate.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using enum posttrain::TrainingMethod;

namespace {

EstimateOptions small(TrainingMethod method) {
  EstimateOptions options{.training_method = method,
                          .model_path = POSTTRAIN_SOURCE_ROOT "/examples/pocket/model",
                          .max_tokens_per_gpu = 64,
                          .max_seq_len = 16,
                          .effective_batch_size = 8};
  if (method == grpo) {
    options.num_generations = 2;
    options.max_tokens = 4;
  }
  return options;
}

}  // namespace

// How close the estimate comes to the peak, in a process of its own: benchmarks/estimate.py.
TEST_CASE("a measured step is one of a Trainer that holds what was expected", "[measure]") {
  for (const TrainingMethod method : {sft, osft, qlora, dpo, kto, reward, grpo}) {
    EstimateOptions options = small(method);
    options.gradient_checkpointing = method == sft;
    if (method == kto) options.lora_r = 4;
    if (method == grpo) options.optimizer = OptimizerName::adamw_8bit;
    INFO(describe(options));
    const MemoryEstimate expected = estimate(options);
    const MeasuredMemory measured = measure(options);
    CHECK(std::isfinite(measured.loss));
    CHECK(measured.peak > expected.held());
    CHECK(measured.footprint.weights == expected.weights + expected.subspaces);
    CHECK(measured.footprint.gradients == expected.gradients);
    CHECK(measured.footprint.masters == expected.masters);
    CHECK(measured.footprint.optimizer == expected.moments);
  }
}
