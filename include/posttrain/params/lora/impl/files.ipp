// SPDX-License-Identifier: Apache-2.0
// Definitions of files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/model_card.hpp"
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

/// A list for the token embedding alone, else a dictionary by the last component of the name.
inline Json token_indices(const AdapterFolder& content) {
  if (content.token_rows.empty()) return nullptr;
  if (content.token_rows.size() == 1 && content.token_rows[0]->table == 0) {
    return content.token_rows[0]->ids;
  }
  Json all = Json::object();
  for (const auto& rows : content.token_rows) {
    all[rows->module.substr(rows->module.rfind('.') + 1)] = rows->ids;
  }
  return all;
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
          {"ensure_weight_tying", content.policy.ensure_weight_tying},
          {"trainable_token_indices", token_indices(content)},
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
  for (const auto& rows : plain.token_rows) {
    tensors.emplace_back(fmt::format("{}{}{}", kPeftPrefix, rows->module, kTokenRows),
                         rows->rows.master);
  }
  for (const NamedTensor& other : plain.others) {
    tensors.emplace_back(peft_key(other.name, adapted), other.value);
  }
  write_peft_files(folder, adapter_config(plain), tensors);
}

POSTTRAIN_INLINE void write_adapter(const std::string& folder, const AdapterFolder& content,
                                    const io::ModelCard& card) {
  io::AtomicFolder target(folder, is_peft_file);
  write_adapter_files(target.path(), content);
  io::put_model_card(target.path(), target.target(), adapter_card(card, "lora"));
  target.commit(kAdapterConfig);
}

POSTTRAIN_INLINE void write_adapters(const std::string& folder,
                                     const std::map<std::string, AdapterFolder>& contents) {
  io::AtomicFolder target(folder, [&](std::string_view name) {
    return is_peft_file(name) || contents.contains(std::string(name));
  });
  for (const auto& [name, content] : contents) {
    const bool top = name == kTopAdapter;
    const io::fs::path path = top ? target.path() : target.path() / name;
    io::fs::create_directories(path);
    write_adapter_files(path, content);
    io::put_model_card(path, top ? target.target() : target.target() / name, {});
  }
  target.commit(kAdapterConfig);
}

POSTTRAIN_INLINE std::map<std::string, std::string> adapter_folders(const std::string& folder) {
  std::map<std::string, std::string> found;
  const io::fs::path top(folder);
  io::check_folder(top, io::FolderOf::adapter);
  std::error_code ignored;
  if (io::fs::exists(top / kAdapterConfig, ignored)) found.emplace(kTopAdapter, folder);
  for (const io::fs::directory_entry& entry : io::fs::directory_iterator(top)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || !io::fs::exists(entry.path() / kAdapterConfig, ignored)) {
      continue;
    }
    found.emplace(name, entry.path().string());
  }
  if (found.empty()) io::check_folder(top, io::FolderOf::adapter, kAdapterConfig);
  return found;
}

/// A positive number under a key, or `otherwise`.
inline double positive_under(const Json& config, const char* key, double otherwise,
                             const std::string& where) {
  const double value = io::number_under(config, key, otherwise, where);
  if (!(value > 0.0)) raise("{}: expected {} > 0, got {}", where, key, value);
  return value;
}

/// The first values that PEFT would repeat on its way to a saved adapter, where they replace a part
/// of the base. Others leave the base alone and are overwritten by what the folder holds.
inline void read_init(const Json& config, Lora& lora, const std::string& where) {
  const Json* entry = io::value_under(config, "init_lora_weights");
  if (entry == nullptr || entry->is_boolean()) return;
  if (!entry->is_string()) {
    raise("{}: expected init_lora_weights to be true, false or a string, got {}", where,
          io::shown(*entry));
  }
  const std::string init = entry->get<std::string>();
  if (init == "olora") lora.init = LoraInit::olora;
  if (init == "pissa") lora.init = LoraInit::pissa;
  if (init == "loftq") {
    lora.init = LoraInit::loftq;
    if (const Json* settings = io::object_under(config, "loftq_config", where)) {
      lora.loftq_iter =
          io::integer_under(*settings, "loftq_iter", lora.loftq_iter, where + ": loftq_config", 1);
    }
  }
  if (init == "corda" || init == "lora_ga" || init.starts_with("pissa_niter")) {
    raise(
        "{}: init_lora_weights '{}' changed the base in a way that the folder does not tell; hint: "
        "save with PEFT's path_initial_model_for_weight_conversion",
        where, init);
  }
}

/// alpha_pattern: regular expressions of module names to numbers.
inline std::vector<std::pair<std::string, double>> read_alphas(const Json& config,
                                                               const std::string& where) {
  std::vector<std::pair<std::string, double>> alphas;
  if (const Json* patterns = io::object_under(config, "alpha_pattern", where)) {
    for (const auto& [pattern, value] : patterns->items()) {
      const std::string name = fmt::format("alpha_pattern \"{}\"", pattern);
      const double alpha = io::number_from(value, where, name);
      if (!(alpha > 0.0)) raise("{}: expected {} > 0, got {}", where, name, alpha);
      alphas.emplace_back(pattern, alpha);
    }
  }
  return alphas;
}

/// Whether PEFT's modules_to_save has the module that a tensor belongs to: PEFT compares the ends
/// of names as plain text, so that "norm" has "layers.0.post_attention_layernorm", too.
inline bool is_saved_module(const std::vector<std::string>& modules, std::string_view tensor) {
  const std::string_view module = tensor.substr(0, tensor.rfind('.'));
  return std::ranges::any_of(modules,
                             [&](const std::string& end) { return module.ends_with(end); });
}

/// What PEFT ties under ensure_weight_tying, by these names: its folders hold the head's tensor
/// too, whether modules_to_save names it or not.
inline bool is_embedding(std::string_view module) {
  const std::string_view last = module.substr(module.rfind('.') + 1);
  return last == "embed_tokens" || last == "lm_head";
}

/// A module's name goes into the policy's patterns, where these characters mean something.
inline void check_module_name(const std::string& weights, const std::string& key,
                              std::string_view module) {
  if (!module.empty() && module.find_first_of(",=* ") == module.npos) return;
  raise("{}: unexpected key '{}': no model has a module '{}'", weights, key, module);
}

inline void read_options(const Json& config, const std::string& where, Lora& lora) {
  lora.rank = io::integer_under(config, "r", 8, where, 1);
  lora.alpha = positive_under(config, "lora_alpha", 8.0, where);
  lora.dropout = io::number_under(config, "lora_dropout", 0.0, where);
  if (!(lora.dropout >= 0.0 && lora.dropout < 1.0)) {
    raise("{}: expected lora_dropout in [0, 1), got {}", where, lora.dropout);
  }
  lora.use_rslora = io::bool_under(config, "use_rslora", false, where);
  lora.use_dora = io::bool_under(config, "use_dora", false, where);
  lora.ensure_weight_tying = io::bool_under(config, "ensure_weight_tying", false, where);
  read_init(config, lora, where);
  const std::string bias = io::text_under(config, "bias", "none", where);
  lora.bias = bias == "all"         ? LoraBias::all
              : bias == "lora_only" ? LoraBias::lora_only
                                    : LoraBias::none;
  if (enum_name(lora.bias) != bias) {
    raise("{}: expected bias none, all or lora_only, got {}", where, bias);
  }
}

/// trainable_token_indices: a list of ids of the token embedding, or lists by module.
class TokenIndices {
 public:
  TokenIndices(const Json& config, const std::string& where) : where_(where) {
    const Json* entry = io::value_under(config, kName);
    if (entry == nullptr) return;
    if (!entry->is_object()) {
      lists_.push_back({"", ids_of(*entry, kName)});
      return;
    }
    for (const auto& [module, ids] : entry->items()) {
      lists_.push_back({module, ids_of(ids, fmt::format("{} of \"{}\"", kName, module))});
    }
  }

  /// "module=3", …: what the policy says for the rows that the folder holds under a key.
  std::vector<std::string> take(const std::string& module, const std::string& weights,
                                const std::string& key, const Tensor& rows) {
    const auto list = std::ranges::find_if(
        lists_, [&](const List& each) { return module.ends_with(each.module); });
    if (list == lists_.end()) {
      raise("{}: unexpected key '{}': {} has no {} of it", weights, key, where_, kName);
    }
    if (rows.dim() != 2 || rows.size(0) != static_cast<std::int64_t>(list->ids.size())) {
      raise("{}: tensor '{}': expected a matrix of {} rows, one for each of {}, got shape {}",
            weights, key, list->ids.size(), kName, shape_text(rows));
    }
    list->taken = true;
    std::vector<std::string> all;
    for (const TokenId id : list->ids) all.push_back(fmt::format("{}={}", module, id));
    return all;
  }

  /// Throws for a list whose rows are not there. A tied head's are those of its embedding.
  void check_taken(const std::string& weights) const {
    for (const List& list : lists_) {
      const bool there = list.ids.empty() || std::ranges::any_of(lists_, [&](const List& each) {
                           return each.taken && each.ids == list.ids;
                         });
      if (there) continue;
      raise("{}: missing key '…{}{}': {} has {} of it", weights, list.module, kTokenRows, where_,
            kName);
    }
  }

 private:
  struct List {
    std::string module;  // the end of its name; empty: any
    std::vector<TokenId> ids;
    bool taken = false;
  };

  static constexpr const char* kName = "trainable_token_indices";

  std::vector<TokenId> ids_of(const Json& list, const std::string& name) const {
    std::vector<TokenId> ids;
    for (const Json& id : io::array_from(list, where_, name)) {
      ids.push_back(io::token_id_from(id, where_, name));
    }
    return ids;
  }

  std::string where_;
  std::vector<List> lists_;
};

POSTTRAIN_INLINE SavedAdapter read_adapter(const std::string& folder) {
  const PeftFolder content = read_peft_folder(
      folder, "LORA",
      {"alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "lora_bias",
       "monteclora_config", "target_parameters", "use_bdlora", "use_qalora", "velora_config"});
  SavedAdapter saved;
  Lora& lora = saved.policy;
  read_options(content.config, content.where, lora);
  const std::vector<std::pair<std::string, double>> alpha_pattern =
      read_alphas(content.config, content.where);
  const auto alpha_of = [&](const std::string& module) {
    for (const auto& [pattern, alpha] : alpha_pattern) {
      if (io::matches_module(pattern, module)) return alpha;
    }
    return lora.alpha;
  };
  const std::vector<std::string> modules_to_save =
      io::texts_under(content.config, "modules_to_save", content.where);
  TokenIndices token_indices(content.config, content.where);
  std::vector<std::string> modules, ranks, alphas, fully, tokens;
  const auto without = [](std::string& name, std::string_view end) {
    if (!name.ends_with(end)) return false;
    name.resize(name.size() - end.size());
    return true;
  };
  for (const auto& [key, tensor] : content.tensors) {
    const std::string name = key.starts_with(kPeftPrefix) ? key.substr(kPeftPrefix.size()) : key;
    std::string module = name;
    if (without(module, ".lora_A.weight") || without(module, ".lora_embedding_A")) {
      check_module_name(content.weights, key, module);
      if (tensor.dim() != 2 || tensor.size(0) < 1) {
        raise("{}: tensor '{}': expected a matrix [rank, in], got shape {}", content.weights, key,
              shape_text(tensor));
      }
      modules.push_back(module);
      ranks.push_back(fmt::format("{}={}", module, tensor.size(0)));
      alphas.push_back(fmt::format("{}={}", module, alpha_of(module)));
    } else if (without(module, kTokenRows)) {
      check_module_name(content.weights, key, module);
      for (std::string& entry : token_indices.take(module, content.weights, key, tensor)) {
        tokens.push_back(std::move(entry));
      }
    } else if (without(module, ".base_layer.bias")) {
      saved.tensors.emplace(module + ".bias", tensor);
      continue;
    } else if (without(module, ".base_layer.weight")) {
      saved.base.emplace(module + ".weight", tensor);
      continue;
    } else if (name.find(".lora_") != std::string::npos ||
               (lora.bias == LoraBias::all && name.ends_with(".bias"))) {
      // A factor, a magnitude or a trained bias.
    } else if (is_saved_module(modules_to_save, name) ||
               (lora.ensure_weight_tying && is_embedding(module_of(name)))) {
      check_module_name(content.weights, key, name);
      fully.push_back(name);
    } else {  // embeddings that PEFT saves along without training them
      saved.base.emplace(name, tensor);
      continue;
    }
    saved.tensors.emplace(name, tensor);
  }
  if (modules.empty()) {
    raise("{}: expected adapters ('….lora_A.weight'), found none among {} tensors", content.weights,
          content.tensors.size());
  }
  token_indices.check_taken(content.weights);
  lora.trainable_token_indices = join(tokens, ",");
  const auto embedding_saved = [](const std::string& name) {
    return is_embedding(module_of(name));
  };
  if (!std::ranges::any_of(modules_to_save, is_embedding) &&
      !std::ranges::any_of(modules, is_embedding) && !std::ranges::any_of(fully, embedding_saved)) {
    lora.ensure_weight_tying = false;  // nothing that PEFT ties is trained
  }
  lora.target_modules = join(modules, ",");
  lora.rank_pattern = join(ranks, ",");
  lora.alpha_pattern = join(alphas, ",");
  lora.modules_to_save = join(fully, ",");
  return saved;
}

POSTTRAIN_INLINE void check_adapted_modules(const std::string& folder, const SavedAdapter& saved,
                                            const Layout& layout) {
  const std::vector<std::string> modules = module_names(layout);
  for (std::string_view rest = saved.policy.target_modules.view(); !rest.empty();) {
    const std::string_view module = take_until(rest, ',');
    if (std::ranges::find(modules, module) != modules.end()) continue;
    raise(
        "{}: unexpected adapter of '{}': this model has no place for it; hint: does the adapter "
        "belong to this model, which has {}?",
        folder, module, modules.front());
  }
}

POSTTRAIN_INLINE std::map<std::string, Tensor> tied_once(const std::string& folder,
                                                         const Layout& layout,
                                                         std::map<std::string, Tensor> tensors) {
  for (const SiteSpec& site : layout.sites) {
    if (site.shares < 0) continue;
    const std::string& table = layout.tables[static_cast<std::size_t>(site.shares)].name;
    const auto head = tensors.find(site.parts[0].name + ".weight");
    if (head == tensors.end()) continue;
    const auto [embedding, alone] = tensors.emplace(table, head->second);
    if (!alone && (embedding->second.scalar_type() != head->second.scalar_type() ||
                   embedding->second.sizes() != head->second.sizes() ||
                   !at::equal(embedding->second, head->second))) {
      raise("{}: keys '{}' and '{}' differ, and ensure_weight_tying says that they are one matrix",
            folder, table, head->first);
    }
    tensors.erase(head);
  }
  return tensors;
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
