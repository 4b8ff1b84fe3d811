// SPDX-License-Identifier: Apache-2.0
// Definitions of estimate.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/checkpoint.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/recipes/estimate.hpp"
#include "posttrain/recipes/impl/held_memory.hpp"
#include "posttrain/recipes/impl/step_memory.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer/run/log.hpp"

namespace posttrain {

namespace detail {

inline hub::PretrainedDecoder opened_model(const EstimateOptions& options) {
  const std::string path = options.model_path.str();
  if (options.training_method == TrainingMethod::reward) {
    return options.from_scratch ? hub::RewardModel::from_scratch(path) : hub::RewardModel(path);
  }
  return options.from_scratch ? hub::PretrainedDecoder::from_scratch(path)
                              : hub::PretrainedDecoder(path);
}

/// The headers of a folder's weight files.
class WeightHeaders {
 public:
  explicit WeightHeaders(const hub::PretrainedDecoder& model, bool from_scratch) : model_(model) {
    std::error_code ignored;
    if (from_scratch || !std::filesystem::is_directory(model.folder(), ignored)) return;
    headers_.emplace(io::fs::path(model.folder()));
  }

  /// A matrix that is stored in 4 bits: its codes and scales; else 0.
  std::int64_t packed(const std::string& matrix) const {
    if (!headers_) return 0;
    const std::string name =
        models::stored_name(*headers_, matrix + ".weight", model_.config().tied);
    if (!headers_->has(name + ".quant_state.bitsandbytes__nf4")) return 0;
    return bytes(name) + bytes(name + ".absmax") + bytes(name + ".nested_absmax");
  }

  /// The largest tensor in the type that it is read in; float32 where nothing says it.
  std::int64_t largest() const {
    std::int64_t most = 0;
    if (headers_) {
      for (const std::string& name : headers_->names()) most = std::max(most, bytes(name));
      return most;
    }
    for (const TableSpec& table : model_.layout().tables) {
      most = std::max(most, 4 * table.rows * table.columns);
    }
    for (const SiteSpec& site : model_.layout().sites) {
      for (const MatrixSpec& part : site.parts) most = std::max(most, 4 * part.rows * site.in);
    }
    return most;
  }

 private:
  std::int64_t bytes(const std::string& name) const {
    if (!headers_->has(name)) return 0;
    return static_cast<std::int64_t>(
        io::byte_count(headers_->dtype(name), headers_->shape(name)).value_or(0));
  }

  const hub::PretrainedDecoder& model_;
  std::optional<io::Checkpoint> headers_{};
};

/// Pages of LibTorch's code and of kernels made at run time that a first step brings into memory,
/// beyond those of an opened model: 18 to 20 MB on x86-64 by VmRSS.
inline constexpr std::int64_t kFirstStep = 20'000'000;

/// What several threads take beyond one: operands that MKL and oneDNN pack for all of them at once,
/// and each thread's own panels and freed blocks. By VmRSS up to 63 MB with two threads and 20 MB
/// more with four; often nothing, which is why only `high` counts it.
inline std::int64_t of_threads() {
  const std::int64_t threads = at::get_num_threads();
  return threads == 1 ? 0 : 48'000'000 + 16'000'000 * (threads - 1);
}

/// Whether micro-batches are scored before the backward pass reads them.
inline bool scores_first(const EstimateOptions& options) {
  using enum TrainingMethod;
  return options.training_method == dpo || options.training_method == kto ||
         options.reference != EstimateReference::standard;
}

}  // namespace detail

POSTTRAIN_INLINE MemoryEstimate estimate(const EstimateOptions& options) {
  options.validate();
  const hub::PretrainedDecoder model = detail::opened_model(options);
  const detail::WeightHeaders headers(model, options.from_scratch);
  MemoryEstimate all;
  const detail::HeldMemory held(options, model.layout(),
                                [&](const std::string& matrix) { return headers.packed(matrix); });
  held.add_to(all);
  detail::StepMemory(options, model.config(), held).add_to(all);
  all.loading = headers.largest();
  all.process = static_cast<std::int64_t>(resident_memory_gib() * 1024.0 * 1024.0 * 1024.0);
  const auto peak = [&](std::int64_t head) {
    const std::int64_t step = all.activations + std::max({head, all.layer, all.attention});
    return all.process + all.held() + all.workspace + std::max(step, all.rollout_cache);
  };
  all.low = peak(all.head);
  all.process += detail::kFirstStep;
  all.mid = peak(all.head + all.forward) + all.loading;
  all.high = all.process + all.held() + all.workspace + all.loading + all.activations * 5 / 4 +
             all.head * (detail::scores_first(options) ? 2 : 1) + all.forward + all.layer +
             all.attention + all.rollout_cache + detail::of_threads();
  return all;
}

}  // namespace posttrain
