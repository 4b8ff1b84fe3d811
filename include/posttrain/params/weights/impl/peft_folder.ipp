// SPDX-License-Identifier: Apache-2.0
// Definitions of peft_folder.hpp, compiled once (base/compiled.hpp).
//
// And what the definitions of lora_files.hpp and prompt_files.hpp share: adapter_config.json and
// adapter_model.safetensors are written as a whole, and read with the fields that matter checked.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/weights/peft_folder.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain::detail {

inline constexpr const char* kAdapterConfig = "adapter_config.json";
inline constexpr const char* kAdapterWeights = "adapter_model.safetensors";

struct PeftFolder {
  Json config;
  std::string where;    // path of the configuration, for messages
  std::string weights;  // path of the tensors' file
  std::map<std::string, Tensor> tensors;
};

/// A name, or null where there is none.
inline Json json_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

/// Files that replacing an adapter's folder may delete; any other is the user's.
inline bool is_peft_file(std::string_view name) {
  return name == kAdapterConfig || name == kAdapterWeights || name == io::kModelCardFile;
}

inline void write_peft_files(const io::fs::path& folder, const Json& config,
                             const std::vector<std::pair<std::string, Tensor>>& tensors) {
  io::save_tensors(folder / kAdapterWeights, tensors);
  io::OutputFile file(folder / kAdapterConfig);
  file.write(config.dump(2) + "\n");
  file.close();
}

/// The card of a folder of this method's parameters.
inline io::ModelCard adapter_card(io::ModelCard card, std::string_view method,
                                  std::string_view library = "peft") {
  card.library_name = library;
  card.base_model_relation = "adapter";
  card.add_tag(method);
  return card;
}

inline void write_peft_folder(const std::string& folder, const Json& config,
                              const std::vector<std::pair<std::string, Tensor>>& tensors,
                              const io::ModelCard& card) {
  io::AtomicFolder target(folder, is_peft_file);
  write_peft_files(target.path(), config, tensors);
  io::put_model_card(target.path(), target.target(), card);
  target.commit(kAdapterConfig);
}

/// The tensors of an adapter's or a delta's file: of floating-point type, all of them.
inline std::map<std::string, Tensor> load_floating_tensors(const io::fs::path& path) {
  std::map<std::string, Tensor> tensors = io::load_tensors(path);
  for (const auto& [name, tensor] : tensors) {
    if (at::isFloatingType(tensor.scalar_type())) continue;
    raise("{}: tensor '{}': expected floating-point numbers, got {} of shape {}", path.string(),
          name, c10::toString(tensor.scalar_type()), shape_text(tensor));
  }
  return tensors;
}

/// `unsupported`: fields that change the computation in ways this library does not have; they must
/// be unset.
inline PeftFolder read_peft_folder(const std::string& folder, std::string_view peft_type,
                                   const std::vector<const char*>& unsupported) {
  const io::fs::path path(folder);
  io::check_folder(path, io::FolderOf::adapter, kAdapterConfig);
  PeftFolder content;
  content.where = (path / kAdapterConfig).string();
  content.config = io::parse_json(io::read_text_file(path / kAdapterConfig, io::kLargestJsonFile),
                                  content.where);
  io::object_from(content.config, content.where, "the configuration");
  const std::string type = io::text_under(content.config, "peft_type", "", content.where);
  if (type != peft_type) {
    raise("{}: expected peft_type {}, got {}", content.where, peft_type,
          type.empty() ? "none" : type);
  }
  for (const char* key : unsupported) {
    const Json* entry = io::value_under(content.config, key);
    if (entry == nullptr || *entry == false || entry->empty()) continue;
    raise(
        "{}: '{}' is not supported, found {}; hint: merge the adapter with PEFT: "
        "model.merge_and_unload().save_pretrained('OUT')",
        content.where, key, io::shown(*entry));
  }
  std::error_code ignored;
  if (!io::fs::exists(path / kAdapterWeights, ignored)) {
    io::raise_no_weights(path, io::FolderOf::adapter, "adapter_model");
  }
  content.weights = (path / kAdapterWeights).string();
  content.tensors = load_floating_tensors(path / kAdapterWeights);
  return content;
}

POSTTRAIN_INLINE void copy_tensors(const std::string& folder,
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
