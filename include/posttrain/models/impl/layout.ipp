// SPDX-License-Identifier: Apache-2.0
// Definitions of layout.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/concepts/layout.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/layout.hpp"

namespace posttrain::models {

namespace detail {

class LayoutBuilder {
 public:
  explicit LayoutBuilder(const DecoderConfig& config) : config_(config) {}

  DecoderLayout build() {
    const bool gpt2 = config_.naming == Naming::kGpt2;
    const std::string root = gpt2 ? "transformer." : "model.";
    result_.token_table = table(root + (gpt2 ? "wte.weight" : "embed_tokens.weight"),
                                config_.vocab_size, config_.padding_id);
    result_.layout.tables.back().lookup_scale = config_.lookup_scale;
    if (config_.learned_positions) {
      result_.position_table = table(root + "wpe.weight", config_.max_positions, -1);
    }
    for (std::int64_t i = 0; i < config_.num_layers(); ++i) {
      result_.layers.push_back(gpt2 ? gpt2_layer(fmt::format("transformer.h.{}.", i))
                                    : llama_layer(fmt::format("model.layers.{}.", i)));
    }
    result_.final_norm = norm(root + (gpt2 ? "ln_f" : "norm"), config_.hidden_size);
    const MatrixSpec head = config_.head == HeadKind::kReward
                                ? MatrixSpec{"score", 1}
                                : MatrixSpec{"lm_head", config_.vocab_size};
    result_.head = site({head}, config_.hidden_size, false);
    result_.layout.sites.back().head = true;
    if (config_.tied) result_.layout.sites.back().shares = result_.token_table;
    result_.layout.attention = {config_.num_layers(), config_.num_heads, config_.num_kv_heads,
                                config_.head_dim};
    for (const RopeSpec& rope : config_.ropes) {
      result_.layout.attention.length_dependent |= rope.dynamic;
    }
    return std::move(result_);
  }

 private:
  LayerSites llama_layer(const std::string& at) {
    const std::int64_t q = config_.num_heads * config_.head_dim;
    const std::int64_t kv = config_.num_kv_heads * config_.head_dim;
    const bool fused = config_.naming == Naming::kPhi3;
    LayerSites s;
    s.attention_norm = norm(at + "input_layernorm", config_.hidden_size);
    s.qkv = fused ? site({{at + "self_attn.qkv_proj", q + 2 * kv}}, config_.hidden_size,
                         config_.qkv_bias)
                  : site({{at + "self_attn.q_proj", q},
                          {at + "self_attn.k_proj", kv},
                          {at + "self_attn.v_proj", kv}},
                         config_.hidden_size, config_.qkv_bias);
    if (config_.qk_norm) {
      s.q_norm = norm(at + "self_attn.q_norm", config_.head_dim);
      s.k_norm = norm(at + "self_attn.k_norm", config_.head_dim);
    }
    s.output = site({{at + "self_attn.o_proj", config_.hidden_size}}, q, config_.output_bias);
    if (config_.post_norms) {
      s.post_attention_norm = norm(at + "post_attention_layernorm", config_.hidden_size);
      s.mlp_norm = norm(at + "pre_feedforward_layernorm", config_.hidden_size);
    } else {
      s.mlp_norm = norm(at + "post_attention_layernorm", config_.hidden_size);
    }
    const std::int64_t ffn = config_.intermediate_size;
    s.up = fused ? site({{at + "mlp.gate_up_proj", 2 * ffn}}, config_.hidden_size, config_.mlp_bias)
                 : site({{at + "mlp.gate_proj", ffn}, {at + "mlp.up_proj", ffn}},
                        config_.hidden_size, config_.mlp_bias);
    s.down = site({{at + "mlp.down_proj", config_.hidden_size}}, ffn, config_.mlp_bias);
    if (config_.post_norms)
      s.post_mlp_norm = norm(at + "post_feedforward_layernorm", config_.hidden_size);
    return s;
  }

  LayerSites gpt2_layer(const std::string& at) {
    const std::int64_t d = config_.hidden_size;
    LayerSites s;
    s.attention_norm = norm(at + "ln_1", d);
    s.qkv = site({{at + "attn.c_attn", 3 * d, true}}, d, config_.qkv_bias);
    s.output = site({{at + "attn.c_proj", d, true}}, d, config_.output_bias);
    s.mlp_norm = norm(at + "ln_2", d);
    s.up = site({{at + "mlp.c_fc", config_.intermediate_size, true}}, d, config_.mlp_bias);
    s.down = site({{at + "mlp.c_proj", d, true}}, config_.intermediate_size, config_.mlp_bias);
    return s;
  }

  /// Sizes of damaged files multiply to more than there can be, or than 64 bits hold.
  void count(std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kMost = std::int64_t{1} << 50U;
    std::int64_t size = 0;
    if (__builtin_mul_overflow(rows, columns, &size) || size > kMost - parameters_) {
      raise(
          "config.json: expected a model of at most 2^50 parameters, got a matrix of [{}, {}] "
          "beside {} others; hint: is the file damaged?",
          rows, columns, parameters_);
    }
    parameters_ += size;
  }

  int table(std::string name, std::int64_t rows, std::int64_t padding_row) {
    count(rows, config_.hidden_size);
    result_.layout.tables.push_back({std::move(name), rows, config_.hidden_size, padding_row});
    return static_cast<int>(result_.layout.tables.size()) - 1;
  }

  int site(std::vector<MatrixSpec> parts, std::int64_t in, bool bias) {
    for (const MatrixSpec& part : parts) count(part.rows, in);
    result_.layout.sites.push_back({std::move(parts), in, bias});
    return static_cast<int>(result_.layout.sites.size()) - 1;
  }

  int norm(const std::string& name, std::int64_t size) {
    auto& vectors = result_.layout.vectors;
    vectors.push_back({name + ".weight", size, config_.norm == NormKind::kRmsPlusOne ? 0.0 : 1.0});
    const int index = static_cast<int>(vectors.size()) - 1;
    if (config_.norm == NormKind::kLayerNorm) vectors.push_back({name + ".bias", size, 0.0});
    return index;
  }

  const DecoderConfig& config_;
  DecoderLayout result_;
  std::int64_t parameters_ = 0;
};

}  // namespace detail

POSTTRAIN_INLINE DecoderLayout decoder_layout(const DecoderConfig& config) {
  return detail::LayoutBuilder(config).build();
}

}  // namespace posttrain::models
