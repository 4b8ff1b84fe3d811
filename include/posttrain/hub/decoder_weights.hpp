// SPDX-License-Identifier: Apache-2.0
// A decoder's weights out of a checkpoint folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/hub/checkpoint.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain::models {

inline constexpr const char* kHeadWeight = "lm_head.weight";

inline bool is_token_table(std::string_view name) {
  return name.ends_with("embed_tokens.weight") || name.ends_with("wte.weight");
}

/// The name in the folder. Checkpoints exist with and without the prefix of the base model
/// ("model.", GPT-2's "transformer."), as AutoModel saves them; of two tied matrices, safetensors'
/// save_model keeps one, which may be the head.
inline std::string stored_name(const io::Checkpoint& folder, const std::string& name,
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
inline WeightLoader weight_loader(std::shared_ptr<io::Checkpoint> folder, bool tied = false) {
  return [folder, tied](const std::string& name, const std::vector<std::int64_t>& shape) {
    return folder->load(stored_name(*folder, name, tied), shape);
  };
}

/// Where config.json ties the head to the embedding and the folder holds both, they must be one
/// matrix: another head would be left out without a word. (transformers 5 takes the two as untied.)
inline void check_tied_head(const io::Checkpoint& folder, const DecoderConfig& config) {
  if (!config.tied || config.head == HeadKind::kReward || !folder.has(kHeadWeight)) return;
  for (const std::string& name : folder.names()) {
    if (!is_token_table(name) || folder.same_content(name, kHeadWeight)) continue;
    raise(
        "{}: {} and {} differ, and config.json ties them; hint: \"tie_word_embeddings\": false in "
        "config.json keeps the head",
        folder.path().string(), kHeadWeight, name);
  }
}

/// Loads matrices in a GGUF file's blocks, and the tensors of those in bitsandbytes' 4-bit layout,
/// which its quant_state marks.
inline PackedLoader packed_loader(std::shared_ptr<io::Checkpoint> folder, bool tied = false) {
  return [folder, tied](const std::string& name) {
    const std::string stored = stored_name(*folder, name, tied);
    PackedTensors tensors;
    if (folder->has(stored)) tensors = folder->load_packed(stored);
    if (!tensors.empty() || !folder->has(stored + ".quant_state.bitsandbytes__nf4")) return tensors;
    tensors.emplace("", folder->load(stored));
    for (const char* key : {"absmax", "quant_map", "nested_absmax", "nested_quant_map",
                            "quant_state.bitsandbytes__nf4"}) {
      const std::string part = stored + "." + key;
      if (folder->has(part)) tensors.emplace(key, folder->load(part));
    }
    return tensors;
  };
}

namespace detail {

/// The tensor of a matrix: dense in this shape, or as many values in 4 bits (two in a byte).
inline void check_matrix(const io::Checkpoint& folder, const std::string& stored,
                         const std::vector<std::int64_t>& shape) {
  if (!folder.has(stored + ".quant_state.bitsandbytes__nf4")) {
    return folder.check_shape(stored, shape);
  }
  const auto bytes = io::byte_count(io::Dtype::kU8, shape);
  if (!bytes || io::byte_count(folder.dtype(stored), folder.shape(stored)) != (*bytes + 1) / 2) {
    raise(
        "{}: key '{}': expected the values of shape {} in 4 bits, found a tensor of shape {}; "
        "hint: does config.json belong to these weights?",
        folder.path().string(), stored, io::format_shape(shape),
        io::format_shape(folder.shape(stored)));
  }
}

}  // namespace detail

/// Throws unless the folder holds every tensor of the model in its shape, so that a config.json
/// that lies is told before memory is taken for it. A reward head may be absent, to be drawn.
inline void check_shapes(const io::Checkpoint& folder, DecoderConfig config) {
  // Each layer has tensors of its own: of more layers than tensors, one is missing soon enough.
  config.layers.resize(std::min(config.layers.size(), folder.size() + 1));
  const Layout layout = decoder_layout(config).layout;
  const auto stored = [&](const std::string& name) {
    return stored_name(folder, name, config.tied);
  };
  for (const TableSpec& table : layout.tables) {
    detail::check_matrix(folder, stored(table.name), {table.rows, table.columns});
  }
  for (const SiteSpec& site : layout.sites) {
    if (site.head && config.head == HeadKind::kReward) continue;
    for (const MatrixSpec& part : site.parts) {
      using Shape = std::vector<std::int64_t>;
      const Shape shape = part.transposed ? Shape{site.in, part.rows} : Shape{part.rows, site.in};
      if (site.shares < 0) detail::check_matrix(folder, stored(part.name + ".weight"), shape);
      if (site.bias) folder.check_shape(stored(part.name + ".bias"), Shape{part.rows});
    }
  }
  for (const VectorSpec& vector : layout.vectors) {
    folder.check_shape(stored(vector.name), std::vector<std::int64_t>{vector.size});
  }
}

/// Throws if the folder holds a tensor that no one loaded. Buffers that older checkpoints carry,
/// the copy of a tied head and the LM head under a reward model are excepted.
inline void check_all_loaded(const io::Checkpoint& folder, const DecoderConfig& config) {
  folder.check_all_used([&](std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
           name.ends_with(".attn.masked_bias") ||
           ((config.tied || config.head == HeadKind::kReward) && name == kHeadWeight);
  });
}

}  // namespace posttrain::models
