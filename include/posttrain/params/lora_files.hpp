// SPDX-License-Identifier: Apache-2.0
// Adapters of the LoRA family as folders that PEFT reads and writes: adapter_config.json and
// adapter_model.safetensors.
//
//   save_adapter(trainer.state(), "adapter", "path/of/the/base");
//   Trainer trainer(model, NextToken{}, LoraFrom{.folder = "adapter"}, …);   // goes on
//
// What is saved always belongs to the original base: OLoRA and PiSSA, whose base gave up s B₀ A₀,
// are written as a plain adapter of twice the rank, [B, −B₀] [A; A₀].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/params/lora.hpp"
#include "posttrain/params/peft_folder.hpp"

namespace posttrain {

namespace detail {

/// The content of an adapter folder, without the storage of the base.
struct AdapterFolder {
  Lora policy{};            // its fields say what the folder says
  std::string base_model;   // base_model_name_or_path
  bool transposed = false;  // fan_in_fan_out
  std::vector<AdapterTensors> adapters{};
  std::vector<NamedTensor> others{};  // biases and modules_to_save
};

void write_adapter(const std::string& folder, const AdapterFolder& content);

/// The policy that a folder was saved from, and its tensors by LoraState's names.
std::pair<Lora, std::map<std::string, Tensor>> read_adapter(const std::string& folder);

}  // namespace detail

/// Writes the adapter for the original base; `base_model` is the base's folder or name.
template <class Storage>
void save_adapter(const LoraState<Storage>& state, const std::string& folder,
                  const std::string& base_model = "") {
  detail::AdapterFolder content;
  const BasicLora<Storage>& policy = state.policy();
  content.policy = {policy.rank, policy.alpha, policy.dropout};
  content.policy.use_rslora = policy.use_rslora;
  content.policy.use_dora = policy.use_dora;
  content.policy.bias = policy.bias;
  content.base_model = base_model;
  content.adapters = state.adapters();
  for (const Site& site : state.base().layout().sites) {
    for (const Part& part : site.parts) content.transposed |= part.transposed;
  }
  const std::vector<NamedTensor> all = state.tensors();
  for (const NamedTensor& tensor : all) {
    if (tensor.name.find(".lora_") == std::string::npos) content.others.push_back(tensor);
  }
  detail::write_adapter(folder, content);
}

/// `BasicLora` as an adapter folder has it: ranks, scales, targets and values are the folder's.
template <class Storage = Dense>
struct BasicLoraFrom {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  LiteralString folder = "";
  double loraplus_lr_ratio = 1.0;  // learning rate of B over that of A
  Storage storage{};

  constexpr void validate() const {
    if (folder.view().empty()) fail("posttrain: LoraFrom.folder must name an adapter's folder");
    if (!(loraplus_lr_ratio > 0.0)) {
      fail("posttrain: LoraFrom.loraplus_lr_ratio must be positive");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    const auto [lora, tensors] = detail::read_adapter(folder.str());
    const BasicLora<Storage> policy{.rank = lora.rank,
                                    .alpha = lora.alpha,
                                    .dropout = lora.dropout,
                                    .target_modules = lora.target_modules,
                                    .rank_pattern = lora.rank_pattern,
                                    .alpha_pattern = lora.alpha_pattern,
                                    .use_rslora = lora.use_rslora,
                                    .use_dora = lora.use_dora,
                                    .bias = lora.bias,
                                    .modules_to_save = lora.modules_to_save,
                                    .loraplus_lr_ratio = loraplus_lr_ratio,
                                    .storage = storage};
    State state(WeightSource::of(model), policy);
    detail::copy_tensors(folder.str(), tensors, state.tensors());
    state.publish();
    return state;
  }
};

using LoraFrom = BasicLoraFrom<>;

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/lora_files_impl.hpp"
#endif
