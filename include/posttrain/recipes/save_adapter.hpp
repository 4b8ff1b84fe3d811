// SPDX-License-Identifier: Apache-2.0
// How recipes on adapters save what they trained, and what their members say of LoRA.
#pragma once

#include <string>

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

/// Writes a trained adapter (or prompt) as a folder that PEFT reads, or the model that it is
/// applied to.
struct SaveAdapter {
  std::string base{};   // model_path, which the folder names
  bool merged = false;  // the whole model instead

  template <class Trainer>
  void check(const Trainer& trainer, const std::string& folder) const {
    if (merged) {
      trainer.check_save(folder);
    } else {
      io::check_replaceable(folder);
    }
  }
  template <class Trainer>
  void operator()(const Trainer& trainer, const std::string& folder) const {
    if (!merged) return save(trainer, folder, base);
    if constexpr (requires { trainer.state().adapters(); }) trainer.save(folder);
  }
  /// A finished run that is called again with another `merged` is told that the other form is in
  /// the way.
  bool holds(const std::string& folder) const {
    return io::fs::exists(io::fs::path(folder) / "adapter_config.json") != merged;
  }
};

/// The policy that a recipe's members say, on a dense base.
template <class O>
Lora lora_policy(const O& o) {
  return {.rank = o.lora_r,
          .alpha = o.lora_alpha,
          .dropout = o.lora_dropout,
          .target_modules = o.target_modules,
          .rank_pattern = o.rank_pattern,
          .alpha_pattern = o.alpha_pattern,
          .use_rslora = o.use_rslora,
          .use_dora = o.use_dora,
          .init = o.init_lora_weights,
          .modules_to_save = o.modules_to_save,
          .loraplus_lr_ratio = o.loraplus_lr_ratio,
          .seed = o.seed};
}

}  // namespace posttrain
