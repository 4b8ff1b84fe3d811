// SPDX-License-Identifier: Apache-2.0
// Definitions of checkpoint.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/checkpoint.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain {

namespace detail {

inline io::fs::path checkpoints_folder(const Options& options) {
  return io::fs::path(options.run_dir.str()) / "checkpoints";
}

/// Steps of the complete checkpoints, ascending.
inline std::vector<std::int64_t> checkpoint_steps(const io::fs::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const auto& entry : io::fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::string digits = name.starts_with("step-") ? name.substr(5) : "";
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    if (io::fs::exists(entry.path() / "trainer.json")) steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

/// Options that must be equal for a resumed run to continue the same run.
inline Json run_identity(const Options& options) {
  return {{"effective_batch_size", options.effective_batch_size},
          {"max_tokens_per_batch", options.max_tokens_per_batch},
          {"max_seq_len", options.max_seq_len},
          {"learning_rate", options.learning_rate},
          {"lr_scheduler", describe(options.lr_scheduler)},
          {"warmup_steps", options.warmup_steps},
          {"max_grad_norm", options.max_grad_norm},
          {"neftune_noise_alpha", options.neftune_noise_alpha},
          {"seed", options.seed}};
}

}  // namespace detail

POSTTRAIN_INLINE std::string save_checkpoint(const Options& options, const Progress& progress,
                                             const std::vector<NamedTensor>& tensors) {
  if (options.run_dir.empty()) fail("a checkpoint needs Options.run_dir; hint: set it");
  const io::fs::path parent = detail::checkpoints_folder(options);
  const io::fs::path target = parent / fmt::format("step-{:08}", progress.step);
  {
    io::AtomicFolder folder(target);
    std::vector<std::pair<std::string, Tensor>> named;
    for (const NamedTensor& tensor : tensors) named.emplace_back(tensor.name, tensor.value);
    io::save_tensors(folder.path() / "state.safetensors", named);
    Json record = {{"format", 1},
                   {"step", progress.step},
                   {"samples", progress.samples},
                   {"tokens", progress.tokens},
                   {"scored", progress.scored},
                   {"epoch", progress.position.epoch},
                   {"step_in_epoch", progress.position.step},
                   {"identity", detail::run_identity(options)}};
    if (std::isfinite(progress.best_val_loss)) record["best_val_loss"] = progress.best_val_loss;
    io::write_file_atomically(folder.path() / "trainer.json", record.dump(2) + "\n");
    folder.commit();
  }
  std::vector<std::int64_t> steps = detail::checkpoint_steps(parent);
  while (static_cast<std::int64_t>(steps.size()) > options.keep_checkpoints) {
    std::error_code ignored;
    // The marker goes first: a kill in between leaves no half-deleted checkpoint to resume from.
    const io::fs::path old = parent / fmt::format("step-{:08}", steps.front());
    io::fs::remove(old / "trainer.json", ignored);
    io::fs::remove_all(old, ignored);
    steps.erase(steps.begin());
  }
  return target.string();
}

POSTTRAIN_INLINE bool load_checkpoint(const Options& options, Progress& progress,
                                      const std::vector<NamedTensor>& tensors) {
  if (options.run_dir.empty()) return false;
  const io::fs::path parent = detail::checkpoints_folder(options);
  const std::vector<std::int64_t> steps = detail::checkpoint_steps(parent);
  if (steps.empty()) return false;
  const io::fs::path folder = parent / fmt::format("step-{:08}", steps.back());
  const io::fs::path record_file = folder / "trainer.json";
  const Json record = io::parse_json(io::read_text_file(record_file), record_file.string());
  const auto identity = detail::run_identity(options);
  for (const auto& [key, value] : identity.items()) {
    if (record.at("identity").value(key, Json()) != value) {
      raise(
          "{}: expected a checkpoint of this run, but its {} was {} and is now {}; hint: choose "
          "another run_dir, or resume = false",
          folder.string(), key, record.at("identity").value(key, Json()).dump(), value.dump());
    }
  }
  const io::SafetensorsFile file(folder / "state.safetensors");
  if (file.tensors().size() != tensors.size()) {
    raise(
        "{}: expected {} tensors, found {}; hint: the checkpoint is of another model or other "
        "parameters",
        file.path(), tensors.size(), file.tensors().size());
  }
  at::NoGradGuard no_grad;
  for (const NamedTensor& tensor : tensors) {
    const Tensor stored = io::to_tensor(file.at(tensor.name), file);
    if (stored.sizes() != tensor.value.sizes()) {
      raise(
          "{}: tensor '{}': expected {} elements, found {}; hint: the checkpoint is of another "
          "model or other parameters",
          file.path(), tensor.name, tensor.value.numel(), stored.numel());
    }
    Tensor target = tensor.value;
    target.copy_(stored);
  }
  progress.step = record.at("step");
  progress.samples = record.at("samples");
  progress.tokens = record.at("tokens");
  progress.scored = record.at("scored");
  progress.position = {record.at("epoch"), record.at("step_in_epoch")};
  progress.best_val_loss = record.value("best_val_loss", std::numeric_limits<double>::infinity());
  return true;
}

POSTTRAIN_INLINE std::string last_checkpoint_hint(const Options& options) {
  const std::vector<std::int64_t> steps =
      options.run_dir.empty() ? std::vector<std::int64_t>{}
                              : detail::checkpoint_steps(detail::checkpoints_folder(options));
  if (steps.empty())
    return "there is no checkpoint; hint: lower learning_rate, look at the samples";
  return fmt::format(
      "the last good checkpoint is that of step {}; hint: lower learning_rate, look "
      "at the samples",
      steps.back());
}

}  // namespace posttrain
