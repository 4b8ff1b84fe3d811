// SPDX-License-Identifier: Apache-2.0
// Training steps on a CUDA device, the stand-in or a GPU: numbers as on the CPU, and few copies.
// Counted from the second step on: constants are copied once.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/bco.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/length_desensitized.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/fixed_items.hpp"
#include "support/kernels.hpp"
#include "support/loss_curve.hpp"
#include "support/named_tensors.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"
#include "support/stand_in_cuda.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// As an example in the documentation.
[[maybe_unused]] void train_on_a_gpu(const std::string& folder, const std::string& data) {
  // [snippet: device]
  const hub::PretrainedDecoder model(folder, {.dtype = at::kBFloat16, .device = "cuda"});
  Trainer trainer(model, NextToken{}, Lora{.rank = 16}, Messages{.path = data}, AdamW{},
                  {.learning_rate = 2e-4});
  trainer.train();
  // [/snippet]
}

models::Decoder model_on(const Device& device, at::ScalarType dtype = at::kFloat) {
  return models::Decoder(tiny_config(), {.dtype = dtype, .device = device, .seed = 1});
}

FixedItems<SequenceKind> sequences() {
  std::vector<Sequence> all;
  for (std::uint64_t i = 1; i < 5; ++i) {
    all.push_back(some_sequence(6 + static_cast<std::int64_t>(i), i));
  }
  return {all};
}

FixedItems<AnswerKind> answers() {
  std::vector<Answer> all;
  for (const AnswerPair& pair : some_pairs(4)) {
    all.push_back({pair.prompt, pair.chosen, true, pair.sample});
    all.push_back({pair.prompt, pair.rejected, false, pair.sample});
  }
  return {all};
}

/// What the stand-in counted during each step, beside what the step logged.
struct CountSteps {
  struct Step {
    StepMetrics metrics;
    std::int64_t operations = 0, reads = 0, uploads = 0, blocking = 0;
  };
  std::vector<Step>& steps;

  void on(const event::StepBegin&) {
    if (stand_in::Counts* counts = stand_in::counts_if_loaded()) counts->reset();
  }
  void on(const event::AfterStep& event) {
    Step step{event.metrics};
    if (const stand_in::Counts* counts = stand_in::counts_if_loaded()) {
      step = {event.metrics, counts->operations, counts->reads, counts->uploads,
              counts->blocking_uploads};
    }
    steps.push_back(step);
  }
};

template <class Loss, class Params, class Data, class Optimizer>
std::vector<CountSteps::Step> steps_on(const Device& device, const Loss& loss, const Params& params,
                                       const Data& data, const Optimizer& optimizer,
                                       const Options& options) {
  std::vector<CountSteps::Step> steps;
  Trainer trainer(model_on(device), loss, params, data, optimizer, options);
  trainer.add(CountSteps{steps});
  trainer.train();
  return steps;
}

/// Three steps on both: the same losses and norms, one read a step (two where a loss gathers), at
/// most two uploads for each micro-batch and none that the host waits for.
template <class Loss, class Params, class Data, class Optimizer = AdamW>
void check_steps(const std::string& name, const Loss& loss, const Params& params, const Data& data,
                 const Options& options = small_run(3, 4), const Optimizer& optimizer = {}) {
  INFO(name);
  const auto here = steps_on(Device(), loss, params, data, optimizer, options);
  const auto there = steps_on(test_device(), loss, params, data, optimizer, options);
  REQUIRE(here.size() == 3);
  REQUIRE(there.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const StepMetrics &a = here[i].metrics, &b = there[i].metrics;
    CHECK(b.loss == Approx(a.loss).epsilon(1e-5));
    CHECK(b.grad_norm == Approx(a.grad_norm).epsilon(1e-4));
    REQUIRE(a.loss_metrics.size() == b.loss_metrics.size());
    for (std::size_t k = 0; k < a.loss_metrics.size(); ++k) {
      CHECK(b.loss_metrics[k].second ==
            Approx(a.loss_metrics[k].second).epsilon(1e-4).margin(1e-5));
    }
    CHECK(a.device_reads == 0);
    CHECK(a.device_uploads == 0);
    if (i == 0) continue;
    CHECK(b.device_reads == (GathersStatistics<Loss> ? 2 : 1));
    CHECK(b.device_uploads <= 2 * b.grad_accum);
    if (!stand_in::counts_if_loaded()) continue;
    CHECK(there[i].reads == b.device_reads);
    CHECK(there[i].uploads == b.device_uploads);
    CHECK(there[i].blocking == 0);
  }
}

}  // namespace

TEST_CASE("a step reads once and uploads little, whatever trains", "[device]") {
  const auto data = sequences();
  const NextToken loss;
  check_steps("Full", loss, Full{}, data);
  check_steps("Full, micro-batches", loss, Full{}, data, small_run(3, 4, 20));
  check_steps("Full, AdamW8bit", loss, Full{}, data, small_run(3, 4),
              AdamW8bit{.min_8bit_size = 0});
  check_steps("LoRA", loss, Lora{.rank = 4}, data);
  check_steps("LoRA, dropout", loss, Lora{.rank = 4, .dropout = 0.1}, data);
  check_steps("DoRA", loss, Lora{.rank = 4, .use_dora = true}, data);
  check_steps("QLoRA", loss, QLora{.rank = 4}, data);
  check_steps("LoRA on int8", loss, BasicLora<Int8>{.rank = 4}, data);
  check_steps("OSFT", loss, Osft{.unfreeze_rank_ratio = 0.5}, data);
  check_steps("prompt", loss, PromptTuning{.num_virtual_tokens = 3}, data);
  check_steps("prefix", loss, PrefixTuning{.num_virtual_tokens = 3}, data);
}

TEST_CASE("a step reads once and uploads little, whatever the loss", "[device]") {
  const auto pairs = fixed_pairs(4);
  check_steps("DPO", Dpo{}, Lora{.rank = 4}, pairs);
  check_steps("DPO, frozen reference", Dpo{}, WithFrozenReference<Full>{}, pairs);
  check_steps("DPO + NLL", Dpo{} + 0.5 * OnChosen{NextToken{}}, Lora{.rank = 4}, pairs);
  check_steps("LD-DPO", LengthDesensitized{Dpo{}, 0.5}, Lora{.rank = 4}, pairs);
  check_steps("KTO", Kto{}, Lora{.rank = 4}, answers());
  check_steps("BCO", Bco{}, Lora{.rank = 4}, answers());
}

TEST_CASE("NEFTune's noise and checkpointed layers wait for nothing", "[device]") {
  Options options = small_run(3, 4);
  options.neftune_noise_alpha = 5.0;
  check_steps("NEFTune", NextToken{}, Full{}, sequences(), options);
  options.gradient_checkpointing = true;
  check_steps("NEFTune, dropout, checkpointing", NextToken{}, Lora{.rank = 4, .dropout = 0.1},
              sequences(), options);
}

TEST_CASE("a bfloat16 model on a GPU takes its attention, and little more is copied", "[device]") {
  // One head size that FlashAttention takes, and no soft cap.
  models::DecoderConfig config = tiny_config();
  config.head_dim = 8;
  config.attention_softcap = 0.0;
  config.ropes[0].rotary_dim = 8;
  config.ropes[0].inv_freq = {1.0F, 0.3F, 0.1F, 0.03F};
  const auto losses = [&](const Device& device, auto params, const auto& data, auto loss,
                          double noise) {
    Options options = small_run(4, 4);
    options.neftune_noise_alpha = noise;
    std::vector<CountSteps::Step> steps;
    const models::Decoder model(config, {.dtype = at::kBFloat16, .device = device, .seed = 1});
    Trainer trainer(model, loss, params, data, AdamW{}, options);
    trainer.add(CountSteps{steps});
    trainer.train();
    if (!device.is_cpu()) {
      for (std::size_t i = 1; i < steps.size(); ++i) {
        CHECK(steps[i].metrics.device_reads == 1);
        CHECK(steps[i].metrics.device_uploads <= 2 * steps[i].metrics.grad_accum);
        if (stand_in::counts_if_loaded())
          CHECK(steps[i].uploads == steps[i].metrics.device_uploads);
      }
    }
    std::vector<double> values;
    for (const auto& step : steps) values.push_back(step.metrics.loss);
    return values;
  };
  const auto check = [&](auto params, const auto& data, auto loss, double noise) {
    const auto here = losses(Device(), params, data, loss, noise);
    const auto there = losses(test_device(), params, data, loss, noise);
    for (std::size_t i = 0; i < here.size(); ++i) CHECK(there[i] == Approx(here[i]).epsilon(2e-2));
  };
  check(Full{}, sequences(), NextToken{}, 5.0);
  check(Lora{.rank = 4, .dropout = 0.1}, sequences(), NextToken{}, 5.0);
  check(PrefixTuning{.num_virtual_tokens = 3}, sequences(), NextToken{}, 0.0);
  check(Lora{.rank = 4}, fixed_pairs(4), Dpo{}, 0.0);
}

TEST_CASE("a document of thousands of tokens needs no gigabytes of scores", "[device]") {
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (!counts) POSTTRAIN_SKIP("a limit on memory needs the stand-in device");
  constexpr std::int64_t kTokens = 8'000;
  const Tensor values = kernel_test::normal({kTokens, 8, 8}, 1, at::kFloat);
  const Tensor v = values.to(test_device()), zeros = at::zeros_like(v);
  const std::size_t all = counts->memory.exchange(std::size_t{1800} << 20);
  const Tensor out = attention(zeros, zeros, v, {{0, kTokens, 0, kTokens, true, 0, 0}}, {0.1});
  counts->memory = all;
  // With equal scores a token's result is the mean of the values up to it.
  const Tensor count = at::arange(1, kTokens + 1, at::kDouble).view({-1, 1, 1});
  const Tensor mean = values.to(at::kDouble).cumsum(0) / count;
  CHECK((out.to(at::kCPU) - mean).abs().max().item().toDouble() < 1e-5);
}

TEST_CASE("what is not finite reaches neither weights nor moments, and names its samples",
          "[device]") {
  const auto ruined = [](const auto& optimizer) {
    Options options = small_run(3, 4);
    Trainer trainer(model_on(test_device()), NextToken{}, Full{}, sequences(), optimizer, options);
    trainer.train();
    const Tensor weights = flat(trainer.state().weights()).clone();
    trainer.state().trainable()[0].value.narrow(0, 0, 1).fill_(
        std::numeric_limits<double>::infinity());
    const Tensor before = flat(trainer.state().weights()).clone();
    std::vector<Sequence> batch{some_sequence(7, 1)};
    CHECK_THROWS_WITH(trainer.step({batch_of(batch)}),
                      Catch::Contains("at step 4 (samples 1); the weights were not updated"));
    const Tensor after = flat(trainer.state().weights());
    CHECK(at::equal(after.isnan(), before.isnan()));
    CHECK(at::equal(after.nan_to_num(), before.nan_to_num()));
  };
  ruined(AdamW{});
  ruined(AdamW8bit{.min_8bit_size = 0});
}

TEST_CASE("moments in host memory cost copies, and all of them are logged", "[device]") {
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (!counts) POSTTRAIN_SKIP("copies are counted by the stand-in device");
  for (const auto& step : steps_on(test_device(), NextToken{}, Full{}, sequences(),
                                   AdamW{.offload = true}, small_run(3, 4))) {
    // The scale of the gradients, two groups (matrices, vectors), and what every step reads.
    CHECK(step.metrics.device_reads == 4);
    CHECK(step.reads == step.metrics.device_reads);
    CHECK(step.uploads == step.metrics.device_uploads);
  }
}

TEST_CASE("an optimizer that takes a number gets the clip coefficient", "[device]") {
  struct Sgd {
    struct State {
      void step(std::vector<ParameterGroup>& groups, double learning_rate, double factor) {
        for (ParameterGroup& group : groups) group.master.sub_(group.grad, learning_rate * factor);
      }
      std::vector<NamedTensor> tensors() const { return {}; }
    };
    State attach(const std::vector<ParameterGroup>&) const { return {}; }
  };
  Options options = small_run(3, 4);
  options.max_grad_norm = 0.1;
  check_steps("SGD", NextToken{}, Full{}, sequences(), options, Sgd{});
}

TEST_CASE("memory that a GPU lacks is one line with what the run holds", "[device]") {
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  if (!counts) POSTTRAIN_SKIP("a limit on memory needs the stand-in device");
  Trainer trainer(model_on(test_device()), NextToken{}, Full{}, sequences(), AdamW{},
                  small_run(3, 4));
  const std::size_t all = counts->memory.exchange(200'000);
  std::string text;
  try {
    trainer.train();
  } catch (const Error& error) {
    text = error.what();
  }
  counts->memory = all;
  CHECK_THAT(text, Catch::StartsWith("out of memory: wanted "));
  CHECK_THAT(text, Catch::Contains("; of what the run holds, optimizer 0.0 MB is the largest part; "
                                   "hint: a smaller max_tokens_per_batch"));
}

TEST_CASE("a batch on another device than the model is one line", "[device]") {
  const models::Decoder model = model_on(test_device());
  const FullState state = Full{}.attach(model);
  CHECK_THROWS_WITH(model.hidden(state, batch_of({some_sequence(5, 1)}).to(at::kCPU)),
                    "expected a batch on the model's device cuda:0, got one on cpu; hint: "
                    "batch.to(model.device())");
}
