// SPDX-License-Identifier: Apache-2.0
// A decoder's weights out of a checkpoint folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/hub/checkpoint_folder.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain::models {

/// The name in the folder. GPT-2 checkpoints exist with and without the prefix "transformer.".
inline std::string stored_name(const io::PretrainedFolder& folder, const std::string& name) {
  constexpr std::string_view kPrefix = "transformer.";
  if (name.starts_with(kPrefix) && !folder.has(name)) {
    const std::string bare = name.substr(kPrefix.size());
    if (folder.has(bare)) return bare;
  }
  return name;
}

inline WeightLoader weight_loader(std::shared_ptr<io::PretrainedFolder> folder) {
  return [folder](const std::string& name, const std::vector<std::int64_t>& shape) {
    return folder->load(stored_name(*folder, name), shape);
  };
}

/// Loads the tensors of matrices in bitsandbytes' 4-bit layout, which its quant_state marks.
inline PackedLoader packed_loader(std::shared_ptr<io::PretrainedFolder> folder) {
  return [folder](const std::string& name) {
    std::map<std::string, Tensor> tensors;
    const std::string stored = stored_name(*folder, name);
    if (!folder->has(stored + ".quant_state.bitsandbytes__nf4")) return tensors;
    tensors.emplace("", folder->load(stored));
    for (const char* key : {"absmax", "quant_map", "nested_absmax", "nested_quant_map",
                            "quant_state.bitsandbytes__nf4"}) {
      const std::string part = stored + "." + key;
      if (folder->has(part)) tensors.emplace(key, folder->load(part));
    }
    return tensors;
  };
}

/// Throws if the folder holds a tensor that no one loaded. Buffers that older checkpoints carry,
/// the copy of a tied head and the LM head under a reward model are excepted.
inline void check_all_loaded(const io::PretrainedFolder& folder, const DecoderConfig& config) {
  folder.check_all_used([&](std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
           name.ends_with(".attn.masked_bias") ||
           ((config.tied || config.head == HeadKind::kReward) && name == "lm_head.weight");
  });
}

}  // namespace posttrain::models
