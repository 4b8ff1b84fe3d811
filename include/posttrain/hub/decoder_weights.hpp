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

inline constexpr const char* kHeadWeight = "lm_head.weight";

inline bool is_token_table(std::string_view name) {
  return name.ends_with("embed_tokens.weight") || name.ends_with("wte.weight");
}

/// The name in the folder. Checkpoints exist with and without the prefix of the base model
/// ("model.", GPT-2's "transformer."), as AutoModel saves them; of two tied matrices, safetensors'
/// save_model keeps one, which may be the head.
inline std::string stored_name(const io::PretrainedFolder& folder, const std::string& name,
                               bool tied = false) {
  if (folder.has(name)) return name;
  for (const std::string_view prefix : {"transformer.", "model."}) {
    if (!name.starts_with(prefix)) continue;
    const std::string bare = name.substr(prefix.size());
    if (folder.has(bare)) return bare;
  }
  return tied && is_token_table(name) && folder.has(kHeadWeight) ? kHeadWeight : name;
}

/// `tied`: the head's matrix may stand for the embedding's.
inline WeightLoader weight_loader(std::shared_ptr<io::PretrainedFolder> folder, bool tied = false) {
  return [folder, tied](const std::string& name, const std::vector<std::int64_t>& shape) {
    return folder->load(stored_name(*folder, name, tied), shape);
  };
}

/// Where config.json ties the head to the embedding and the folder holds both, they must be one
/// matrix: another head would be left out without a word. (transformers 5 takes the two as untied.)
inline void check_tied_head(const io::PretrainedFolder& folder, const DecoderConfig& config) {
  if (!config.tied || config.head == HeadKind::kReward || !folder.has(kHeadWeight)) return;
  for (const std::string& name : folder.names()) {
    if (!is_token_table(name) || folder.same_content(name, kHeadWeight)) continue;
    raise(
        "{}: {} and {} differ, and config.json ties them; hint: \"tie_word_embeddings\": false in "
        "config.json keeps the head",
        folder.path().string(), kHeadWeight, name);
  }
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
           ((config.tied || config.head == HeadKind::kReward) && name == kHeadWeight);
  });
}

}  // namespace posttrain::models
