// SPDX-License-Identifier: Apache-2.0
// Where a tensor of a checkpoint lies in a GGUF file, and in which form llama.cpp wants it there.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/models/config.hpp"

namespace posttrain::models {

/// A tensor's place in a GGUF file.
struct GgufPlace {
  std::string name;
  // Rows of each of so many heads lie there in pairs (i, i + half), since llama.cpp rotates
  // neighbours where transformers rotates halves; 0: as they are.
  std::int64_t paired_heads = 0;
  bool plus_one = false;    // Gemma's norms are stored as 1 + w
  bool transposed = false;  // GPT-2's matrices are stored as [rows, in]
};

namespace detail {

struct GgufName {
  std::string_view ours, theirs;
};

inline constexpr std::array<GgufName, 20> kGgufLayerNames{{
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"ln_1", "attn_norm"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
}};

inline constexpr std::array<GgufName, 6> kGgufNames{{
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"transformer.ln_f", "output_norm"},
}};

}  // namespace detail

/// Tensors that belong to the metadata: factors of rotary frequencies.
constexpr bool is_gguf_factor(std::string_view name) {
  return name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
         name == "rope_factors_short.weight";
}

/// Of a tensor that `decoder_layout` names ("model.layers.3.mlp.up_proj.weight"); nothing where
/// GGUF has no place for it.
inline std::optional<GgufPlace> gguf_place(const DecoderConfig& config, std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view module = name.substr(0, dot), ending = name.substr(dot);
  const auto matrix = ending == ".weight";
  GgufPlace place;
  for (const detail::GgufName& entry : detail::kGgufNames) {
    if (entry.ours == module) place.name = entry.theirs;
  }
  std::string_view inner;  // below a layer
  for (const std::string_view root : {"model.layers.", "transformer.h."}) {
    if (!module.starts_with(root)) continue;
    const std::string_view rest = module.substr(root.size());
    const std::size_t end = rest.find('.');
    if (end == std::string_view::npos) return std::nullopt;
    inner = rest.substr(end + 1);
    std::string_view theirs;
    for (const detail::GgufName& entry : detail::kGgufLayerNames) {
      if (entry.ours == inner) theirs = entry.theirs;
    }
    if (inner == "post_attention_layernorm") {
      theirs = config.post_norms ? "post_attention_norm" : "ffn_norm";
    }
    if (!theirs.empty()) place.name = fmt::format("blk.{}.{}", rest.substr(0, end), theirs);
  }
  if (place.name.empty()) return std::nullopt;
  place.name += ending;
  const std::string_view type = config.model_type;
  if (type == "llama" || type == "mistral" || type == "smollm3" || type == "granite") {
    if (inner == "self_attn.q_proj") place.paired_heads = config.num_heads;
    if (inner == "self_attn.k_proj") place.paired_heads = config.num_kv_heads;
  }
  place.plus_one = config.norm == NormKind::kRmsPlusOne && module.ends_with("norm") && matrix;
  place.transposed = matrix && (inner.starts_with("attn.c_") || inner.starts_with("mlp.c_"));
  return place;
}

}  // namespace posttrain::models
