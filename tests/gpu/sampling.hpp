// SPDX-License-Identifier: Apache-2.0
// Decode steps of models of published shapes, beside what memory allows; and steps of GRPO, with a
// prompt that its group shares and without.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/shaped_model.hpp"
#include "gpu/training.hpp"
#include "grpo_steps.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"

namespace posttrain::gpu {

/// Samples of prompts of their own; a line for each number of rows. The share of bandwidth is that
/// of the weights and caches that a step reads, of a copy's rate in the same process.
struct Decoding {
  Common common;
  Shaped shape;
  std::vector<std::int64_t> rows{1, 16, 64};
  std::int64_t prompt = 512, steps = 32;

  void add_to(CLI::App& app) {
    shape.add_to(app);
    app.add_option("--rows", rows)->delimiter(',');
    app.add_option("--prompt", prompt, "tokens of each row's prompt");
    app.add_option("--steps", steps)->check(CLI::PositiveNumber);
  }

  void run() const {
    const models::Decoder model = shape.decoder(Device(common.device));
    const FrozenState gate = Frozen{}.attach(model);
    const double bandwidth = copied_bytes_per_second(model.device(), common.tiny);
    for (const std::int64_t count : rows) {
      Generator generator(model, gate, {}, {.max_live = count});
      // The first rows write while the last prompts are read.
      const std::int64_t ahead = prompt * count / GeneratorOptions{}.prompt_chunk + 1;
      for (std::int64_t i = 0; i < count; ++i) {
        generator.add(
            {.prompt = random_ids(prompt, static_cast<std::uint64_t>(i), model.vocab_size()),
             .sampling = {.max_new_tokens = ahead + kWarmup + steps, .temperature = 1.0},
             .prompt_index = static_cast<std::uint64_t>(i)});
      }
      while (generator.counts().sampled_tokens < kWarmup * count) generator.step();
      const std::int64_t before = generator.counts().sampled_tokens;
      const TransferCounts copies = transfer_counts();
      const Stopwatch watch;
      for (std::int64_t step = 0; step < steps; ++step) generator.step();
      finish_work(model.device());
      const double seconds = watch.seconds() / static_cast<double>(steps);
      const auto sampled = static_cast<double>(generator.counts().sampled_tokens - before);
      const TransferCounts after = transfer_counts();
      const double context = static_cast<double>(prompt + kWarmup + steps / 2);
      const double bytes =
          weight_bytes(model, gate) + static_cast<double>(count) * context * row_bytes(model);
      say({{"decode", shape.model},
           {"rows", count},
           {"step_ms", seconds * 1e3},
           {"tokens_per_second", sampled / (seconds * static_cast<double>(steps))},
           {"share_of_bandwidth", bytes / seconds / bandwidth},
           {"device_reads", static_cast<double>(after.reads - copies.reads) / steps},
           {"device_uploads", static_cast<double>(after.uploads - copies.uploads) / steps}});
    }
  }

 private:
  static constexpr std::int64_t kWarmup = 4;

  /// What a step reads: all but a table that is only looked up.
  static double weight_bytes(const models::Decoder& model, const FrozenState& gate) {
    double bytes = 0.0;
    for (const NamedTensor& each : gate.weights()) {
      const bool looked_up =
          !model.config().tied && each.name.find("embed_tokens") != std::string::npos;
      if (!looked_up) bytes += static_cast<double>(each.value.nbytes());
    }
    return bytes;
  }
  static double row_bytes(const models::Decoder& model) {
    const models::DecoderConfig& config = model.config();
    return 2.0 * 2.0 *
           static_cast<double>(config.num_layers() * config.num_kv_heads * config.head_dim);
  }
};

/// LoRA of rank 16; a line for each way.
struct GrpoRows {
  Common common;
  Shaped shape;
  std::int64_t prompt = 256, samples = 16, new_tokens = 64, repeats = 3;

  void add_to(CLI::App& app) {
    shape.add_to(app);
    app.add_option("--prompt", prompt, "tokens of the group's prompt");
    app.add_option("--samples", samples, "of the group");
    app.add_option("--new", new_tokens, "tokens of each sample");
    app.add_option("--repeats", repeats)->check(CLI::PositiveNumber);
  }

  void run() const {
    using Steps = benchmarks::GrpoSteps<models::Decoder, Lora>;
    Steps steps(shape.decoder(Device(common.device)), Lora{.rank = 16, .alpha = 16.0},
                step_options());
    const TokenIds ids = random_ids(prompt, 7, steps.model().vocab_size());
    for (const bool shared : {true, false}) {
      double seconds = 0.0, generating = 0.0;
      typename Steps::Done done;
      for (std::int64_t i = 0; i <= repeats; ++i) {
        done = steps.step(ids, samples, new_tokens, shared);
        if (i == 0) continue;
        seconds += done.seconds / static_cast<double>(repeats);
        generating += done.generate_seconds / static_cast<double>(repeats);
      }
      say({{"grpo", shape.model},
           {"shared", shared},
           {"step_seconds", seconds},
           {"samples_per_second", static_cast<double>(samples) / seconds},
           {"generate_share", generating / seconds},
           {"peak_gib", done.metrics.peak_memory_usage_GB},
           {"device_reads", done.metrics.device_reads},
           {"device_uploads", done.metrics.device_uploads}});
    }
  }
};

}  // namespace posttrain::gpu
