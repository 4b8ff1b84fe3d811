// SPDX-License-Identifier: Apache-2.0
// Phi-3 and 3.5: a Llama whose checkpoint fuses q, k, v and gate, up, with partial rotation and its
// own `longrope` (arXiv 2404.14219).
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

/// qkv_proj and gate_up_proj are one matrix each; every layer slides if sliding_window is set; the
/// first `partial_rotary_factor` of each head is rotated; `longrope` switches at the original
/// length.
inline DecoderConfig parse_phi3(ConfigReader& reader) {
  DecoderConfig config;
  config.naming = Naming::kPhi3;
  config.norm_eps = 1e-5;
  read_sizes(reader,
             {.vocab = 32064,
              .hidden = 3072,
              .intermediate = 8192,
              .max_positions = 4096,
              .padding_id = 32000},
             config);
  const std::int64_t original = reader.integer("original_max_position_embeddings", 4096);
  read_llama_body(reader, config, false,
                  {.partial_allowed = true, .phi3 = true, .original_positions = original});
  reader.dropout({"resid_pdrop", "embd_pdrop"});
  reader.only("attention_bias", false);
  reader.only("mlp_bias", false);
  reader.only("full_attn_mod", 1);
  reader.only("interpolate_factor", 1);
  if (const auto window = read_window(reader, std::nullopt)) {
    set_windows(reader, std::vector<bool>(config.layers.size(), true), window, config);
  }
  return config;
}

inline constexpr Family kPhi3{
    .model_type = "phi3",
    .architecture = "Phi3ForCausalLM",
    .base = "Phi3Model",
    .reward = "Phi3ForSequenceClassification",
    .parse = parse_phi3,
};

}  // namespace posttrain::models::detail
