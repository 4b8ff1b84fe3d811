// SPDX-License-Identifier: Apache-2.0
// Whole runs on a device against the CPU's, and against themselves: resumed, ended by a signal,
// saved and loaded, out of memory. Steps of every policy are compared by
// tests/device/steps_test.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gpu/shaped_model.hpp"
#include "gpu/training.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/fixed_items.hpp"
#include "support/temp_folder.hpp"

namespace posttrain::gpu {

struct Parity {
  Common common;
  std::string shapes;

  void add_to(CLI::App& app) {
    app.add_option("--shapes", shapes, "a file of configurations by name")->required();
  }

  void run() const {
    const Device device(common.device);
    const std::int64_t steps = common.tiny ? 6 : 20;
    const auto name = [&](const char* type) {
      return fmt::format("{} steps as on the CPU, {}", steps, type);
    };
    say_check(name("float32"), difference(device, at::kFloat, steps), 1e-5);
    say_check(name("bfloat16"), difference(device, at::kBFloat16, steps), 2e-2);

    const test::TempFolder folder;
    const Outcome whole = trained(device, steps, "");
    say_check("a run repeats bit for bit", same(whole, trained(device, steps, "")), "it differs");
    const std::string halved = (folder / "halved").string(), ended = (folder / "ended").string();
    trained(device, steps / 2, halved);
    say_check("a resumed run ends bit for bit like one that was not interrupted",
              same(whole, trained(device, steps, halved)), "it differs");
    const Outcome stopped = trained(device, steps, ended, /*stop_at=*/2);
    say_check(
        "SIGTERM ends a run behind its step",
        stopped.result.interrupted && stopped.result.signal == SIGTERM && stopped.result.steps == 2,
        fmt::format("{} steps", stopped.result.steps));
    say_check("what SIGTERM ended goes on bit for bit", same(whole, trained(device, steps, ended)),
              "it differs");
    saved_and_loaded(device, folder);
    if (!device.is_cpu()) out_of_memory(device);
  }

 private:
  struct Outcome {
    TrainResult result;
    std::vector<double> losses;
    Tensors weights;
  };

  struct Hears {
    std::vector<double>* losses;
    std::int64_t stop_at;
    void on(const event::AfterStep& event) {
      losses->push_back(event.metrics.loss);
      if (event.metrics.step == stop_at) std::raise(SIGTERM);
    }
  };

  std::string config() const {
    return io::parse_json(io::read_text_file(shapes), shapes).at("tiny").dump();
  }

  static test::FixedItems<SequenceKind> sequences() {
    std::vector<Sequence> all;
    for (std::int64_t i = 0; i < 24; ++i) {
      const std::int64_t length = 9 + 3 * i % 17;
      all.push_back({random_ids(length, static_cast<std::uint64_t>(i), 96),
                     std::vector<float>(static_cast<std::size_t>(length), 1.0F), i});
    }
    return {all};
  }

  static Options options(std::int64_t steps, const std::string& run_dir) {
    Options options = step_options();
    options.max_steps = steps;
    options.effective_batch_size = 8;
    options.max_tokens_per_batch = 64;  // several micro-batches
    options.learning_rate = 1e-3;
    options.run_dir = run_dir;
    return options;
  }

  template <class Model>
  static Outcome trained(const Model& model, const Options& options, std::int64_t stop_at = 0) {
    Outcome outcome;
    Trainer trainer(model, NextToken{}, Full{}, sequences(), AdamW{}, options);
    trainer.add(Hears{&outcome.losses, stop_at});
    outcome.result = trainer.train();
    for (const NamedTensor& weight : trainer.state().weights()) {
      outcome.weights.push_back(weight.value.to(at::kCPU).clone());
    }
    return outcome;
  }

  models::Decoder model(const Device& device, at::ScalarType type) const {
    return models::Decoder(models::parse_config(config()),
                           {.dtype = type, .device = device, .seed = 1});
  }

  Outcome trained(const Device& device, std::int64_t steps, const std::string& run_dir,
                  std::int64_t stop_at = 0) const {
    return trained(model(device, at::kBFloat16), options(steps, run_dir), stop_at);
  }

  /// The largest relative difference of a step's loss.
  double difference(const Device& device, at::ScalarType type, std::int64_t steps) const {
    const Outcome here = trained(model(Device(), type), options(steps, ""));
    const Outcome there = trained(model(device, type), options(steps, ""));
    double worst = here.losses.size() == there.losses.size() ? 0.0 : 1.0;
    for (std::size_t i = 0; i < std::min(here.losses.size(), there.losses.size()); ++i) {
      const double apart = std::abs(there.losses[i] / here.losses[i] - 1.0);
      if (!(apart <= worst)) worst = apart;
    }
    return worst;
  }

  static bool same(const Outcome& a, const Outcome& b) {
    return std::equal(a.weights.begin(), a.weights.end(), b.weights.begin(), b.weights.end(),
                      [](const Tensor& x, const Tensor& y) { return at::equal(x, y); });
  }

  /// A folder that was saved on the device, read on both.
  void saved_and_loaded(const Device& device, const test::TempFolder& folder) const {
    const std::string bare = (folder / "bare").string(), saved = (folder / "saved").string();
    io::create_folders(bare);
    io::write_file_atomically(bare + "/config.json", config());
    Trainer trainer(hub::PretrainedDecoder::from_scratch(bare, {.device = device, .seed = 1}),
                    NextToken{}, Full{}, sequences(), AdamW{}, options(2, ""));
    trainer.train();
    trainer.save(saved);
    const auto read = [&](const Device& place) {
      const hub::PretrainedDecoder opened(saved, {.device = place});
      Trainer again(opened, NextToken{}, Full{}, sequences(), AdamW{}, options(1, ""));
      return again.step({batch()}).loss;
    };
    const double wanted = trainer.step({batch()}).loss;
    say_check("a saved folder, loaded on the device", std::abs(read(device) / wanted - 1.0), 1e-6);
    say_check("a saved folder, loaded on the CPU", std::abs(read(Device()) / wanted - 1.0), 1e-5);
  }

  static TokenBatch batch() {
    const auto all = sequences();
    std::vector<const Sequence*> first;
    for (std::size_t i = 0; i < 4; ++i) first.push_back(&all.train.get()[i]);
    return pack_sequences(first);
  }

  /// A run that memory no longer suffices for says so in one line.
  void out_of_memory(const Device& device) const {
    Trainer trainer(model(device, at::kBFloat16), NextToken{}, Full{}, sequences(), AdamW{},
                    options(2, ""));
    std::string text;
    try {
      const auto taken = take_memory(device);
      trainer.train();
    } catch (const std::exception& error) {
      text = error.what();
    }
    if (stand_in::Counts* counts = stand_in::counts_if_loaded())
      counts->memory = std::size_t{8} << 30;
    say_check("out of memory is one line that names the largest part",
              text.starts_with("out of memory: wanted ") && text.find('\n') == text.npos &&
                  text.find("is the largest part; hint: ") != text.npos,
              text.empty() ? "no error" : text);
  }

  /// Nearly all that is left, as long as the result lives.
  static Tensors take_memory(const Device& device) {
    Tensors taken;
    if (stand_in::Counts* counts = stand_in::counts_if_loaded()) {
      counts->memory = 200'000;
      return taken;
    }
    const auto bytes = at::TensorOptions(device).dtype(at::kByte);
    for (std::int64_t block = std::int64_t{1} << 33; block >= 256;) {
      try {
        taken.push_back(at::empty({block}, bytes));
      } catch (const std::exception&) {
        block /= 4;
      }
    }
    return taken;
  }
};

}  // namespace posttrain::gpu
