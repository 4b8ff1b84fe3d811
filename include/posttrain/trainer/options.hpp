// SPDX-License-Identifier: Apache-2.0
// Options of a run, under the names and with the meanings of Training Hub's sft().
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/optim/schedule.hpp"

namespace posttrain {

struct Options {
  // --- how long ---------------------------------------------------------------------------------
  std::int64_t num_epochs = 1;
  std::int64_t max_steps = 0;  // optimizer steps; overrides num_epochs; 0: no bound
  std::int64_t early_stopping_patience =
      0;  // validations in a row without improvement that end the run; 0: none do
  double early_stopping_threshold = 0.0;  // by how much a lower loss must be lower to count

  // --- batches ----------------------------------------------------------------------------------
  std::int64_t effective_batch_size =
      32;  // sequences per optimizer step, whatever the micro-batches
  std::int64_t max_tokens_per_batch = 4096;  // tokens of one micro-batch: the memory bound
  std::int64_t max_seq_len = 0;              // longer samples are dropped and counted; 0: no limit
  bool truncate = false;                     // cut longer samples instead of dropping them

  // --- data, whatever the policy ----------------------------------------------------------------
  double validation_split = 0.0;  // share of the samples that is held out, in [0, 1)
  bool skip_bad_samples = false;  // count malformed samples instead of stopping at the first
  bool deduplicate = false;       // drop (and count) samples that repeat an earlier one's numbers
  LiteralString cache_dir{};  // keep what was tokenized in this folder and find it there next time

  // --- optimisation -----------------------------------------------------------------------------
  double learning_rate = 1e-5;
  optim::Schedule lr_scheduler{};  // cosine, as Training Hub's back end
  std::int64_t warmup_steps = 0;
  double max_grad_norm = 1.0;        // clipping by global norm; 0: none
  double neftune_noise_alpha = 0.0;  // NEFTune (arXiv 2310.05914); 0: none
  std::uint64_t seed = 42;
  bool gradient_checkpointing = false;  // recompute each layer backward: less memory, more time
  bool tune_allocator =
      true;  // process-wide glibc settings worth 20 % and more (tensor/allocator.hpp)
  bool deterministic = true;  // on a GPU: a run repeats bit for bit (docs/devices.md)
  bool allow_tf32 = false;    // on a GPU: float32 products with 10 bits of mantissa, faster

  // --- the run's folder -------------------------------------------------------------------------
  LiteralString run_dir{};  // metrics, record and checkpoints; empty: none of them
  LiteralString metrics_file = "metrics.jsonl";  // its name in run_dir
  std::int64_t checkpoint_steps = 0;  // a resumable checkpoint every so many steps; 0: none
  bool checkpoint_at_epoch = false;
  std::int64_t keep_checkpoints = 1;   // newest ones kept
  LiteralString checkpoint_storage{};  // a second folder that gets a copy of every checkpoint; the
                                       // newest whole one of both is resumed from
  bool resume = true;                  // go on from the newest complete checkpoint in run_dir
  bool stop_on_signal = true;  // SIGTERM and its kin end the run with a checkpoint; false: they end
                               // the process
  std::int64_t validation_frequency = 0;  // steps between validations; 0: at the end of each epoch
  bool validate_at_epoch = false;         // at the end of each epoch, whatever validation_frequency
  bool save_best = false;          // keep the model with the lowest validation loss in run_dir/best
  std::int64_t logging_steps = 1;  // steps between records of metrics
  LiteralString tensorboard_log_dir{};  // folder for TensorBoard's event files; empty: none
  bool progress = true;                 // a progress line on standard error

  constexpr void validate() const {
    if (num_epochs < 1) fail("posttrain: Options.num_epochs must be at least 1");
    if (max_steps < 0) fail("posttrain: Options.max_steps must not be negative");
    if (early_stopping_patience < 0)
      fail("posttrain: Options.early_stopping_patience must not be negative");
    if (!(early_stopping_threshold >= 0.0)) {
      fail("posttrain: Options.early_stopping_threshold must not be negative");
    }
    if (early_stopping_threshold > 0.0 && early_stopping_patience == 0) {
      fail("posttrain: Options.early_stopping_threshold needs early_stopping_patience, which is 0");
    }
    if (effective_batch_size < 1)
      fail("posttrain: Options.effective_batch_size must be at least 1");
    if (max_tokens_per_batch < 2)
      fail("posttrain: Options.max_tokens_per_batch must be at least 2");
    if (max_seq_len < 0) fail("posttrain: Options.max_seq_len must not be negative");
    if (!(validation_split >= 0.0 && validation_split < 1.0)) {
      fail("posttrain: Options.validation_split must be in [0, 1)");
    }
    if (!(learning_rate > 0.0 && learning_rate <= std::numeric_limits<double>::max())) {
      fail("posttrain: Options.learning_rate must be positive and finite");
    }
    lr_scheduler.validate();
    if (warmup_steps < 0) fail("posttrain: Options.warmup_steps must not be negative");
    if (!(max_grad_norm >= 0.0)) fail("posttrain: Options.max_grad_norm must not be negative");
    if (!(neftune_noise_alpha >= 0.0)) {
      fail("posttrain: Options.neftune_noise_alpha must not be negative");
    }
    if (checkpoint_steps < 0) fail("posttrain: Options.checkpoint_steps must not be negative");
    if (keep_checkpoints < 1) fail("posttrain: Options.keep_checkpoints must be at least 1");
    if (validation_frequency < 0)
      fail("posttrain: Options.validation_frequency must not be negative");
    if (metrics_file.empty() || metrics_file.view().find('/') != std::string_view::npos) {
      fail("posttrain: Options.metrics_file must be a file's name, without a folder");
    }
    if (logging_steps < 1) fail("posttrain: Options.logging_steps must be at least 1");
    if (run_dir.empty() &&
        (checkpoint_steps > 0 || checkpoint_at_epoch || save_best || !checkpoint_storage.empty())) {
      fail("posttrain: Options.run_dir must be set to save checkpoints");
    }
  }
};

}  // namespace posttrain
