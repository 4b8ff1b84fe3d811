// SPDX-License-Identifier: Apache-2.0
// Training steps of models of published shapes: speed, memory, and what passed between host and
// device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gpu/shaped_model.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/trainer.hpp"
#include "support/fixed_items.hpp"

namespace posttrain::gpu {

inline Options step_options() {
  Options options;
  options.learning_rate = 1e-4;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  options.progress = false;
  return options;
}

/// Steps of one micro-batch each, 3 to warm up and 10 that are timed; a line for each size.
struct Training {
  Common common;
  Shaped shape;
  std::string params = "lora", loss = "sft";
  std::vector<std::int64_t> tokens{4096};
  std::int64_t row = 2048, prompt = 1536, answer = 256, warmup = 3, steps = 10;

  void add_to(CLI::App& app) {
    shape.add_to(app);
    app.add_option("--params", params)->check(CLI::IsMember({"lora", "qlora", "full", "osft"}));
    app.add_option("--loss", loss)->check(CLI::IsMember({"sft", "dpo"}));
    app.add_option("--tokens", tokens, "of a micro-batch: one size after the other")
        ->delimiter(',');
    app.add_option("--row", row, "tokens of a sequence");
    app.add_option("--prompt", prompt, "tokens of a pair's prompt");
    app.add_option("--answer", answer, "tokens of each of its answers");
    app.add_option("--warmup", warmup);
    app.add_option("--steps", steps)->check(CLI::PositiveNumber);
  }

  void run() const {
    if (loss == "dpo") {
      if (params != "lora") raise("expected --params lora with --loss dpo, got {}", params);
      run_pairs();
    } else if (params == "lora") {
      run_rows(Lora{.rank = 16, .alpha = 16.0});
    } else if (params == "qlora") {
      run_rows(QLora{.rank = 16, .alpha = 16.0});
    } else if (params == "full") {
      run_rows(Full{});
    } else {
      run_rows(Osft{.unfreeze_rank_ratio = 0.25});
    }
  }

 private:
  /// Rows packed one after another. Every second batch has another length at its end: what is made
  /// once for a batch is made again, as in training.
  TokenBatch rows_of(std::int64_t count, std::int64_t vocabulary, bool odd) const {
    BatchBuilder builder;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t length = row - (odd && i + 1 == count ? 1 : 0);
      builder.add(random_ids(length, static_cast<std::uint64_t>(2 * i + odd), vocabulary), -1, i);
      builder.score(std::vector<float>(static_cast<std::size_t>(length), 1.0F));
      builder.end_sequence(i);
    }
    return std::move(builder).build();
  }

  template <class Params>
  void run_rows(const Params& policy) const {
    const Stopwatch starting;
    const models::Decoder model = shape.decoder(Device(common.device));
    const models::DecoderConfig config = model.config();
    const test::FixedItems<SequenceKind> data{std::vector<Sequence>{{{0, 1}, {0.0F, 1.0F}, 0}}};
    Trainer trainer(model, NextToken{}, policy, data, AdamW{}, step_options());
    finish_work(model.device());
    const double started = starting.seconds();
    for (const std::int64_t size : tokens) {
      if (size < row) raise("expected --tokens of at least one row of {}, got {}", row, size);
      std::vector<TokenBatch> batches{rows_of(size / row, config.vocab_size, false),
                                      rows_of(size / row, config.vocab_size, true)};
      // Forward and backward, and of what trains as a matrix its gradient; scores and values of the
      // visible half. Adapters and subspaces are not counted themselves.
      const double passes = params == "full" || params == "osft" ? 6.0 : 4.0;
      const double attention = 3.0 * 2.0 * static_cast<double>(config.num_layers()) *
                               static_cast<double>(config.num_heads * config.head_dim * row);
      Json line = timed(trainer, batches);
      const double rate = line["tokens_per_second"];
      line["tflops"] = rate * (passes * products_per_token(config) + attention) / 1e12;
      line["start_seconds"] = started;
      say(line);
    }
  }

  /// Pairs, the last answer one token shorter if `odd`.
  std::vector<AnswerPair> pairs_of(std::int64_t count, std::int64_t vocabulary, bool odd) const {
    std::vector<AnswerPair> pairs;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto seed = static_cast<std::uint64_t>(6 * i + 3 * odd);
      const auto sequence = [&](std::int64_t length, std::uint64_t number) -> Sequence {
        return {random_ids(length, seed + number, vocabulary),
                std::vector<float>(static_cast<std::size_t>(length), 1.0F), i};
      };
      const std::int64_t rejected = answer - (odd && i + 1 == count ? 1 : 0);
      pairs.push_back({random_ids(prompt, seed, vocabulary), sequence(answer, 1),
                       sequence(rejected, 2), 0.0F, i});
    }
    return pairs;
  }

  static PairBatch packed(const std::vector<AnswerPair>& pairs, bool shared) {
    std::vector<const AnswerPair*> all;
    for (const AnswerPair& pair : pairs) all.push_back(&pair);
    return pack_pairs(all, shared);
  }

  /// The same pairs with their prompts read once for both answers, and once for each.
  void run_pairs() const {
    const models::Decoder model = shape.decoder(Device(common.device));
    for (const std::int64_t size : tokens) {
      const std::int64_t count = size / (2 * (prompt + answer));
      if (count < 1) raise("expected --tokens of at least one pair, got {}", size);
      const auto even = pairs_of(count, model.vocab_size(), false);
      const auto odd = pairs_of(count, model.vocab_size(), true);
      const test::FixedItems<PairKind> data{even};
      Trainer trainer(model, Dpo{}, Lora{.rank = 16, .alpha = 16.0}, data, AdamW{}, step_options());
      for (const bool shared : {true, false}) {
        Json line =
            timed(trainer, std::vector<PairBatch>{packed(even, shared), packed(odd, shared)});
        line["shared"] = shared;
        say(line);
      }
    }
  }

  template <class Trainer, class Batch>
  Json timed(Trainer& trainer, const std::vector<Batch>& batches) const {
    StepMetrics last;
    double seconds = 0.0, read = 0.0, samples = 0.0;
    std::int64_t reads = 0, uploads = 0;
    for (std::int64_t step = 0; step < warmup + steps; ++step) {
      last = trainer.step({batches[static_cast<std::size_t>(step) % batches.size()]});
      if (step < warmup) continue;
      seconds += last.time_per_batch;
      read += static_cast<double>(last.num_total_tokens);
      samples += static_cast<double>(last.num_samples);
      reads = std::max(reads, last.device_reads);
      uploads = std::max(uploads, last.device_uploads);
    }
    return {{"training", shape.model},
            {"params", params},
            {"loss", loss},
            {"layers", shape.layers},
            {"tokens", batches[0].tokens()},
            {"tokens_per_second", read / seconds},
            {"samples_per_second", samples / seconds},
            {"peak_gib", last.peak_memory_usage_GB},
            {"device_reads", reads},
            {"device_uploads", uploads},
            {"last_loss", last.loss}};
  }
};

}  // namespace posttrain::gpu
