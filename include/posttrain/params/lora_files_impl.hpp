// SPDX-License-Identifier: Apache-2.0
// Definitions of lora_files.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/describe.hpp"
#include "posttrain/core/join.hpp"
#include "posttrain/params/lora_files.hpp"
#include "posttrain/params/peft_folder_impl.hpp"

namespace posttrain::detail {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";

// A folder of PEFT's names a bias below an adapter "….base_layer.bias".
inline std::string peft_key(std::string_view name, const std::set<std::string>& adapted) {
  constexpr std::string_view kBias = ".bias";
  if (name.ends_with(kBias)) {
    const std::string module(name.substr(0, name.size() - kBias.size()));
    if (adapted.contains(module)) return fmt::format("{}{}.base_layer.bias", kPeftPrefix, module);
  }
  return fmt::format("{}{}", kPeftPrefix, name);
}

inline nlohmann::ordered_json adapter_config(const AdapterFolder& content) {
  const auto alpha_of = [&](const AdapterTensors& adapter) {
    const auto rank = static_cast<double>(adapter.a.size(0));
    return adapter.scale * (content.policy.use_rslora ? std::sqrt(rank) : rank);
  };
  const AdapterTensors& first = content.adapters.at(0);
  nlohmann::ordered_json ranks = nlohmann::ordered_json::object(), alphas = ranks;
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
  return {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
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
      {"modules_to_save", saved.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(saved)},
      {"layers_to_transform", nullptr}};
}

POSTTRAIN_INLINE void write_adapter(const std::string& folder, const AdapterFolder& content) {
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
    tensors.emplace_back(key + ".lora_A.weight", adapter.a);
    tensors.emplace_back(key + ".lora_B.weight", adapter.b);
    if (adapter.magnitude.defined()) {
      tensors.emplace_back(key + ".lora_magnitude_vector", adapter.magnitude);
    }
  }
  for (const NamedTensor& other : plain.others) {
    tensors.emplace_back(peft_key(other.name, adapted), other.value);
  }
  write_peft_folder(folder, adapter_config(plain), tensors);
}

// PEFT matches these keys as regular expressions of a name's end; plain names are what occurs.
inline double alpha_for(const io::Json& patterns, std::string_view module, double otherwise,
                        const std::string& where) {
  if (!patterns.is_object()) return otherwise;
  for (const auto& [key, value] : patterns.items()) {
    if (key.find_first_of("^$*+?[](){}|\\") != std::string::npos) {
      raise("{}: alpha_pattern '{}': regular expressions are not supported", where, key);
    }
    if (module == key || module.ends_with("." + key)) return value.get<double>();
  }
  return otherwise;
}

POSTTRAIN_INLINE std::pair<Lora, std::map<std::string, Tensor>> read_adapter(
    const std::string& folder) {
  const PeftFolder content =
      read_peft_folder(folder, "LORA",
                       {"alora_invocation_tokens", "arrow_config", "kasa_config",
                        "layer_replication", "lora_bias", "monteclora_config", "target_parameters",
                        "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config"});
  const io::Json& config = content.config;
  const std::string& where = content.where;
  Lora lora;
  lora.rank = config.at("r").get<std::int64_t>();
  lora.alpha = config.value("lora_alpha", 8.0);
  lora.dropout = config.value("lora_dropout", 0.0);
  lora.use_rslora = config.value("use_rslora", false);
  lora.use_dora = config.value("use_dora", false);
  const std::string bias = config.value("bias", "none");
  lora.bias = bias == "all"         ? LoraBias::all
              : bias == "lora_only" ? LoraBias::lora_only
                                    : LoraBias::none;
  if (enum_name(lora.bias) != bias) {
    raise("{}: expected bias none, all or lora_only, got {}", where, bias);
  }

  std::map<std::string, Tensor> tensors;
  std::vector<std::string> modules, ranks, alphas, saved;
  constexpr std::string_view kA = ".lora_A.weight", kBase = ".base_layer.bias";
  for (const auto& [key, tensor] : content.tensors) {
    std::string name = key.starts_with(kPeftPrefix) ? key.substr(kPeftPrefix.size()) : key;
    if (name.ends_with(kA)) {
      modules.push_back(name.substr(0, name.size() - kA.size()));
      ranks.push_back(fmt::format("{}={}", modules.back(), tensor.size(0)));
      alphas.push_back(fmt::format(
          "{}={}", modules.back(),
          alpha_for(config.value("alpha_pattern", io::Json()), modules.back(), lora.alpha, where)));
    } else if (name.ends_with(kBase)) {
      name = name.substr(0, name.size() - kBase.size()) + ".bias";
    } else if (name.find(".lora_") == std::string::npos &&
               !(lora.bias == LoraBias::all && name.ends_with(".bias"))) {
      saved.push_back(name);
    }
    tensors.emplace(std::move(name), tensor);
  }
  lora.target_modules = join(modules, ",");
  lora.rank_pattern = join(ranks, ",");
  lora.alpha_pattern = join(alphas, ",");
  lora.modules_to_save = join(saved, ",");
  return {std::move(lora), std::move(tensors)};
}

}  // namespace posttrain::detail
