// SPDX-License-Identifier: Apache-2.0
// A decoder's weights out of a checkpoint folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/io/pretrained.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain::models {

/// Loads by name. GPT-2 checkpoints exist with and without the prefix "transformer.".
inline WeightLoader weight_loader(std::shared_ptr<io::PretrainedFolder> folder) {
  return [folder](const std::string& name, const std::vector<std::int64_t>& shape) {
    constexpr std::string_view kPrefix = "transformer.";
    if (name.starts_with(kPrefix) && !folder->has(name)) {
      const std::string bare = name.substr(kPrefix.size());
      if (folder->has(bare)) return folder->load(bare, shape);
    }
    return folder->load(name, shape);
  };
}

/// Throws if the folder holds a tensor that no one loaded. Buffers that older checkpoints carry and
/// the copy of a tied head are excepted.
inline void check_all_loaded(const io::PretrainedFolder& folder, const DecoderConfig& config) {
  folder.check_all_used([&](std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
           name.ends_with(".attn.masked_bias") || (config.tied && name == "lm_head.weight");
  });
}

}  // namespace posttrain::models
