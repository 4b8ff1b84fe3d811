// SPDX-License-Identifier: Apache-2.0
// Definitions of files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/module_pattern.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/weights/impl/peft_folder.ipp"

namespace posttrain::detail {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";
inline constexpr const char* kTopAdapter = "default";

// A folder of PEFT's names a bias below an adapter "….base_layer.bias".
inline std::string peft_key(std::string_view name, const std::set<std::string>& adapted) {
  constexpr std::string_view kBias = ".bias";
  if (name.ends_with(kBias)) {
    const std::string module(name.substr(0, name.size() - kBias.size()));
    if (adapted.contains(module)) return fmt::format("{}{}.base_layer.bias", kPeftPrefix, module);
  }
  return fmt::format("{}{}", kPeftPrefix, name);
}

inline Json adapter_config(const AdapterFolder& content) {
  const auto alpha_of = [&](const AdapterTensors& adapter) {
    const auto rank = static_cast<double>(adapter.a.size(0));
    return adapter.scale * (content.policy.use_rslora ? std::sqrt(rank) : rank);
  };
  const AdapterTensors& first = content.adapters.at(0);
  Json ranks = Json::object(), alphas = ranks;
  std::vector<std::string> modules;
  for (const AdapterTensors& adapter : content.adapters) {
    modules.push_back(adapter.module);
    if (adapter.a.size(0) != first.a.size(0)) ranks[adapter.module] = adapter.a.size(0);
    if (alpha_of(adapter) != alpha_of(first)) alphas[adapter.module] = alpha_of(adapter);
  }
  std::vector<std::string> saved;
  constexpr std::string_view kWeight = ".weight";
  for (const NamedTensor& tensor : content.others) {
    if (tensor.name.ends_with(kWeight)) {
      saved.push_back(tensor.name.substr(0, tensor.name.size() - kWeight.size()));
    }
  }
  return {{"peft_type", "LORA"},
          {"task_type", content.rewards ? "SEQ_CLS" : "CAUSAL_LM"},
          {"base_model_name_or_path", json_or_null(content.base_model)},
          {"inference_mode", true},
          {"r", first.a.size(0)},
          {"lora_alpha", alpha_of(first)},
          {"lora_dropout", content.policy.dropout},
          {"target_modules", modules},
          {"rank_pattern", ranks},
          {"alpha_pattern", alphas},
          {"bias", std::string(enum_name(content.policy.bias))},
          {"fan_in_fan_out", content.transposed},
          {"init_lora_weights", true},
          {"use_rslora", content.policy.use_rslora},
          {"use_dora", content.policy.use_dora},
          {"modules_to_save", saved.empty() ? Json() : Json(saved)},
          {"layers_to_transform", nullptr}};
}

inline void write_adapter_files(const io::fs::path& folder, const AdapterFolder& content) {
  at::NoGradGuard no_grad;
  AdapterFolder plain = content;
  for (AdapterTensors& adapter : plain.adapters) {
    if (!adapter.a0.defined()) continue;
    adapter.a = at::cat({adapter.a, adapter.a0});
    adapter.b = at::cat({adapter.b, -adapter.b0}, 1);
  }
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::set<std::string> adapted;
  for (const AdapterTensors& adapter : plain.adapters) {
    const std::string key = std::string(kPeftPrefix) + adapter.module;
    adapted.insert(adapter.module);
    tensors.emplace_back(key + (adapter.table ? ".lora_embedding_A" : ".lora_A.weight"), adapter.a);
    tensors.emplace_back(key + (adapter.table ? ".lora_embedding_B" : ".lora_B.weight"), adapter.b);
    if (adapter.magnitude.defined()) {
      tensors.emplace_back(key + ".lora_magnitude_vector", adapter.magnitude);
    }
  }
  for (const NamedTensor& other : plain.others) {
    tensors.emplace_back(peft_key(other.name, adapted), other.value);
  }
  write_peft_files(folder, adapter_config(plain), tensors);
}

POSTTRAIN_INLINE void write_adapter(const std::string& folder, const AdapterFolder& content) {
  io::AtomicFolder target(folder, is_peft_file);
  write_adapter_files(target.path(), content);
  target.commit(kAdapterConfig);
}

POSTTRAIN_INLINE void write_adapters(const std::string& folder,
                                     const std::map<std::string, AdapterFolder>& contents) {
  io::AtomicFolder target(folder, [&](std::string_view name) {
    return is_peft_file(name) || contents.contains(std::string(name));
  });
  for (const auto& [name, content] : contents) {
    const io::fs::path path = name == kTopAdapter ? target.path() : target.path() / name;
    io::fs::create_directories(path);
    write_adapter_files(path, content);
  }
  target.commit(kAdapterConfig);
}

POSTTRAIN_INLINE std::map<std::string, std::string> adapter_folders(const std::string& folder) {
  std::map<std::string, std::string> found;
  const io::fs::path top(folder);
  if (!io::fs::is_directory(top)) raise("expected a folder of adapters, found none at {}", folder);
  if (io::fs::exists(top / kAdapterConfig)) found.emplace(kTopAdapter, folder);
  for (const io::fs::directory_entry& entry : io::fs::directory_iterator(top)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || !io::fs::exists(entry.path() / kAdapterConfig)) continue;
    found.emplace(name, entry.path().string());
  }
  if (found.empty()) raise("expected adapters in {}, found no {}", folder, kAdapterConfig);
  return found;
}

/// The first values that PEFT would repeat on its way to a saved adapter, where they replace a part
/// of the base. Others leave the base alone and are overwritten by what the folder holds.
inline void read_init(const Json& config, Lora& lora, const std::string& where) {
  const auto entry = config.find("init_lora_weights");
  const std::string init =
      entry != config.end() && entry->is_string() ? entry->get<std::string>() : "";
  if (init == "olora") lora.init = LoraInit::olora;
  if (init == "pissa") lora.init = LoraInit::pissa;
  if (init == "loftq") {
    lora.init = LoraInit::loftq;
    const auto settings = config.find("loftq_config");
    if (settings != config.end() && settings->is_object()) {
      lora.loftq_iter = settings->value("loftq_iter", lora.loftq_iter);
    }
  }
  if (init == "corda" || init == "lora_ga" || init.starts_with("pissa_niter")) {
    raise(
        "{}: init_lora_weights '{}' changed the base in a way that the folder does not tell; hint: "
        "save with PEFT's path_initial_model_for_weight_conversion",
        where, init);
  }
}

inline double alpha_for(const Json& patterns, const std::string& module, double otherwise) {
  if (!patterns.is_object()) return otherwise;
  for (const auto& [key, value] : patterns.items()) {
    if (io::matches_module(key, module)) return value.get<double>();
  }
  return otherwise;
}

/// Whether PEFT's modules_to_save has the module that a tensor belongs to.
inline bool is_saved_module(const Json& modules, std::string_view name) {
  if (!modules.is_array()) return false;
  return std::ranges::any_of(modules, [&](const Json& module) {
    return matches_pattern(module.get<std::string>(), name);
  });
}

POSTTRAIN_INLINE SavedAdapter read_adapter(const std::string& folder) {
  const PeftFolder content = read_peft_folder(
      folder, "LORA",
      {"alora_invocation_tokens", "arrow_config", "ensure_weight_tying", "kasa_config",
       "layer_replication", "lora_bias", "monteclora_config", "target_parameters",
       "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config"});
  const Json& config = content.config;
  const std::string& where = content.where;
  SavedAdapter saved;
  Lora& lora = saved.policy;
  lora.rank = io::integer_from(config.at("r"), where, "r", 1);
  lora.alpha = config.value("lora_alpha", 8.0);
  lora.dropout = config.value("lora_dropout", 0.0);
  lora.use_rslora = config.value("use_rslora", false);
  lora.use_dora = config.value("use_dora", false);
  read_init(config, lora, where);
  const std::string bias = config.value("bias", "none");
  lora.bias = bias == "all"         ? LoraBias::all
              : bias == "lora_only" ? LoraBias::lora_only
                                    : LoraBias::none;
  if (enum_name(lora.bias) != bias) {
    raise("{}: expected bias none, all or lora_only, got {}", where, bias);
  }

  const Json alpha_pattern = config.value("alpha_pattern", Json());
  const Json modules_to_save = config.value("modules_to_save", Json());
  std::vector<std::string> modules, ranks, alphas, fully;
  const auto without = [](std::string& name, std::string_view end) {
    if (!name.ends_with(end)) return false;
    name.resize(name.size() - end.size());
    return true;
  };
  for (const auto& [key, tensor] : content.tensors) {
    const std::string name = key.starts_with(kPeftPrefix) ? key.substr(kPeftPrefix.size()) : key;
    std::string module = name;
    if (without(module, ".lora_A.weight") || without(module, ".lora_embedding_A")) {
      modules.push_back(module);
      ranks.push_back(fmt::format("{}={}", module, tensor.size(0)));
      alphas.push_back(fmt::format("{}={}", module, alpha_for(alpha_pattern, module, lora.alpha)));
    } else if (without(module, ".base_layer.bias")) {
      saved.tensors.emplace(module + ".bias", tensor);
      continue;
    } else if (without(module, ".base_layer.weight")) {
      saved.base.emplace(module + ".weight", tensor);
      continue;
    } else if (name.find(".lora_") != std::string::npos ||
               (lora.bias == LoraBias::all && name.ends_with(".bias"))) {
      // A factor, a magnitude or a trained bias.
    } else if (is_saved_module(modules_to_save, name)) {
      fully.push_back(name);
    } else {  // embeddings that PEFT saves along without training them
      saved.base.emplace(name, tensor);
      continue;
    }
    saved.tensors.emplace(name, tensor);
  }
  lora.target_modules = join(modules, ",");
  lora.rank_pattern = join(ranks, ",");
  lora.alpha_pattern = join(alphas, ",");
  lora.modules_to_save = join(fully, ",");
  return saved;
}

POSTTRAIN_INLINE void check_base_tensor(const std::string& folder, const std::string& name,
                                        const Tensor& saved, const Tensor& base) {
  if (!base.defined()) {
    raise("{}: unexpected key '{}'; hint: this model has no place for it", folder, name);
  }
  if (saved.sizes() != base.sizes() ||
      !at::equal(saved, base.to(at::TensorOptions(at::kCPU).dtype(saved.scalar_type())))) {
    raise(
        "{}: key '{}' is a tensor of the base, and the model has another one there; hint: load the "
        "base that the adapter was trained on",
        folder, name);
  }
}

}  // namespace posttrain::detail
