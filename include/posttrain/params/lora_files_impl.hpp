// SPDX-License-Identifier: Apache-2.0
// Definitions of lora_files.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/describe.hpp"
#include "posttrain/core/join.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/lora_files.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain::detail {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";
inline constexpr const char* kAdapterConfig = "adapter_config.json";
inline constexpr const char* kAdapterWeights = "adapter_model.safetensors";

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
      {"base_model_name_or_path", content.base_model.empty()
                                      ? nlohmann::ordered_json()
                                      : nlohmann::ordered_json(content.base_model)},
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
  io::AtomicFolder target(folder, [](std::string_view name) {
    return name == kAdapterConfig || name == kAdapterWeights || name == "README.md";
  });
  io::save_tensors(target.path() / kAdapterWeights, tensors);
  io::OutputFile config(target.path() / kAdapterConfig);
  config.write(adapter_config(plain).dump(2) + "\n");
  config.close();
  target.commit();
}

// Fields that change the computation in ways this library does not have: they must be unset.
inline void check_adapter_config(const io::Json& config, const std::string& where) {
  for (const char* key :
       {"alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "lora_bias",
        "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora",
        "use_qalora", "velora_config"}) {
    const auto entry = config.find(key);
    if (entry == config.end() || entry->is_null() || *entry == false || entry->empty()) continue;
    raise("{}: '{}' is not supported", where, key);
  }
  if (config.value("peft_type", "LORA") != "LORA") {
    raise("{}: expected peft_type LORA, got {}", where, config.value("peft_type", ""));
  }
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
  const io::fs::path path(folder);
  const std::string where = (path / kAdapterConfig).string();
  const io::Json config = io::parse_json(io::read_text_file(path / kAdapterConfig), where);
  check_adapter_config(config, where);
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
  for (auto& [key, tensor] : io::load_tensors(path / kAdapterWeights)) {
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

POSTTRAIN_INLINE void copy_adapter(const std::string& folder,
                                   const std::map<std::string, Tensor>& tensors,
                                   const std::vector<NamedTensor>& targets) {
  at::NoGradGuard no_grad;
  std::set<std::string> used;
  for (const NamedTensor& target : targets) {
    const auto found = tensors.find(target.name);
    if (found == tensors.end()) raise("{}: missing key '{}'", folder, target.name);
    if (found->second.sizes() != target.value.sizes()) {
      raise(
          "{}: key '{}': expected shape {}, found {}; hint: does the adapter belong to this model?",
          folder, target.name, shape_text(target.value), shape_text(found->second));
    }
    Tensor value = target.value;
    value.copy_(found->second);
    used.insert(target.name);
  }
  for (const auto& [name, tensor] : tensors) {
    if (!used.contains(name)) {
      raise("{}: unexpected key '{}'; hint: this model has no place for it", folder, name);
    }
  }
}

}  // namespace posttrain::detail
