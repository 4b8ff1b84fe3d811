// SPDX-License-Identifier: Apache-2.0
// Adapters of the LoRA family as folders that PEFT reads and writes: adapter_config.json and
// adapter_model.safetensors.
//
//   save(trainer, "adapter", "path/of/the/base");
//   Trainer trainer(model, NextToken{}, From<Lora>{.folder = "adapter"}, …);   // goes on
//
// A saved adapter belongs to the original base: OLoRA and PiSSA, whose base gave up s B₀ A₀, are
// written as a plain adapter of twice the rank, [B, −B₀] [A; A₀]. LoftQ's adapter belongs to the
// quantised base: what anyone gets who stores the original in that form, if there was one
// iteration; else `model.save(…, state.base().packed_weights())`.
//
// On a model whose head is tied to its embedding, modules_to_save means what it means in PEFT: the
// one that is named becomes a matrix of its own, both if both are named; with ensure_weight_tying
// they stay one.
//
// trainable_token_indices of such a model are those of the head, too, unless a dictionary gives the
// head others.
//
// In folders that PEFT wrote, targets and ranks are taken from the tensors, so that
// layers_to_transform and regular expressions say nothing more; scales follow alpha_pattern, whose
// keys are regular expressions. Values that PEFT made by changing the base (`init_lora_weights`)
// are refused where the change cannot be repeated.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/io/model_card.hpp"
#include "posttrain/params/from.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/weights/peft_folder.hpp"

namespace posttrain {

namespace detail {

/// The content of an adapter folder, without the storage of the base.
struct AdapterFolder {
  Lora policy{};            // its fields say what the folder says
  std::string base_model;   // base_model_name_or_path
  bool transposed = false;  // fan_in_fan_out
  bool rewards = false;     // of a reward model: task_type
  std::vector<AdapterTensors> adapters{};
  std::vector<NamedTensor> others{};  // biases and modules_to_save
  /// trainable_token_indices: by module, the first of the token embedding if there is one.
  std::vector<std::shared_ptr<const TokenRows>> token_rows{};
};

void write_adapter(const std::string& folder, const AdapterFolder& content,
                   const io::ModelCard& card);
/// Several by name: "default" at the top, the others in folders below.
void write_adapters(const std::string& folder,
                    const std::map<std::string, AdapterFolder>& contents);
/// The adapters of such a folder: name → path.
std::map<std::string, std::string> adapter_folders(const std::string& folder);

/// An adapter as its folder says it, whatever the storage of the base.
struct SavedAdapter {
  Lora policy{};
  std::map<std::string, Tensor> tensors{};  // by LoraState's names
  std::map<std::string, Tensor> base{};     // tensors of the base that were saved along
};
SavedAdapter read_adapter(const std::string& folder);

/// Every module with an adapter must be one of the model.
void check_adapted_modules(const std::string& folder, const SavedAdapter& saved,
                           const Layout& layout);

/// A tensor that was saved along must be the base's own.
void check_base_tensor(const std::string& folder, const std::string& name, const Tensor& saved,
                       const Tensor& base);

/// The tensors without those of tied heads, which the folder has beside their embedding's; two that
/// differ are an error.
std::map<std::string, Tensor> tied_once(const std::string& folder, const Layout& layout,
                                        std::map<std::string, Tensor> tensors);

/// Gives a state the values of a folder.
template <class Storage>
void fill_adapter(LoraState<Storage>& state, const std::string& folder, const SavedAdapter& saved) {
  const ModelWeights<Storage>& base = state.base();
  for (const auto& [name, tensor] : saved.base) {
    Tensor own = base.weight(name);
    for (const SiteSpec& site : base.layout().sites) {  // a tied head is stored as the table
      if (site.shares >= 0 && site.parts[0].name + ".weight" == name) {
        own = base.table(site.shares).exact();
      }
    }
    check_base_tensor(folder, name, tensor, own);
  }
  copy_tensors(folder, tied_once(folder, base.layout(), saved.tensors), state.tensors());
  state.publish();
}

template <class Storage>
AdapterFolder adapter_content(const LoraState<Storage>& state, const std::string& base_model) {
  AdapterFolder content;
  const BasicLora<Storage>& policy = state.policy();
  if (policy.init == LoraInit::loftq && policy.loftq_iter > 1 && base_model.empty()) {
    raise(
        "an adapter of several LoftQ iterations expected the folder of its quantised base; hint: "
        "save state.base().packed_weights() and name that folder as base_model");
  }
  content.policy = {policy.rank, policy.alpha, policy.dropout};
  content.policy.use_rslora = policy.use_rslora;
  content.policy.use_dora = policy.use_dora;
  content.policy.ensure_weight_tying = policy.ensure_weight_tying;
  content.policy.bias = policy.bias;
  content.base_model = base_model;
  content.adapters = state.adapters();
  content.token_rows = state.token_rows();
  for (const SiteSpec& site : state.base().layout().sites) {
    for (const MatrixSpec& part : site.parts) {
      content.transposed |= part.transposed;
      content.rewards |= site.head && part.name == "score";
    }
  }
  for (const NamedTensor& tensor : state.tensors()) {
    if (tensor.name.find(".lora_") == std::string::npos && !tensor.name.ends_with(kTokenRows)) {
      content.others.push_back(tensor);
    }
    // PEFT has the embedding under the name of each module that it is tied to.
    for (const SiteSpec& site : state.base().layout().sites) {
      const TableSpec* table = shared_table(state.base().layout(), site);
      if (table == nullptr || table->name != tensor.name) continue;
      content.others.push_back({site.parts[0].name + ".weight", tensor.value});
    }
  }
  return content;
}

}  // namespace detail

/// Writes the adapter for the original base; `base_model` is the base's folder or name, `card` the
/// README.md (`save` of a Trainer has one).
template <class Storage>
void save(const LoraState<Storage>& state, const std::string& folder,
          const std::string& base_model = "", const io::ModelCard& card = {}) {
  detail::write_adapter(folder, detail::adapter_content(state, base_model), card);
}

/// `BasicLora` as an adapter folder has it: ranks, scales, targets and values are the folder's.
template <class Storage>
struct From<BasicLora<Storage>> {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  LiteralString folder = "";
  double loraplus_lr_ratio = 1.0;  // learning rate of B over that of A
  Storage storage{};

  constexpr void validate() const {
    if (folder.view().empty()) fail("posttrain: From<Lora>.folder must name an adapter's folder");
    if (!(loraplus_lr_ratio > 0.0)) {
      fail("posttrain: From<Lora>.loraplus_lr_ratio must be positive");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    const detail::SavedAdapter saved = detail::read_adapter(folder.str());
    BasicLora<Storage> policy = with_storage(saved.policy, storage);
    policy.loraplus_lr_ratio = loraplus_lr_ratio;
    policy.validate();
    const WeightSource source = WeightSource::of(model);
    detail::check_adapted_modules(folder.str(), saved, source.layout);
    State state(source, policy);
    detail::fill_adapter(state, folder.str(), saved);
    return state;
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/lora/impl/files.ipp"
#endif
