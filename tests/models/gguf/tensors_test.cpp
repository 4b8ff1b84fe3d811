// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/gguf/tensors.hpp"

#include <set>

#include "posttrain/models/families/parse.hpp"
#include "posttrain/models/layout.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using models::GgufPlace;

TEST_CASE("every tensor of every family has a place of its own in a GGUF file", "[models]") {
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "phi3",
                           "gemma2", "gemma3_text", "gpt2"}) {
    INFO(type);
    // Keys of other families than GPT-2 are unknown to it, and the other way about.
    const bool gpt2 = std::string(type) == "gpt2";
    const models::DecoderConfig config =
        models::parse_config(std::string("{\"model_type\": \"") + type + "\", \"" +
                             (gpt2 ? "n_layer" : "num_hidden_layers") + "\": 2}");
    const Layout layout = models::decoder_layout(config).layout;
    std::set<std::string> places;
    std::size_t count = 0;
    const auto look = [&](const std::string& name) {
      INFO(name);
      const auto found = models::gguf_place(config, name);
      REQUIRE(found.has_value());
      places.insert(found->name);
      ++count;
    };
    for (const TableSpec& table : layout.tables) look(table.name);
    for (const VectorSpec& vector : layout.vectors) look(vector.name);
    for (const SiteSpec& site : layout.sites) {
      for (const MatrixSpec& part : site.parts) {
        if (site.shares < 0) look(part.name + ".weight");
        if (site.bias) look(part.name + ".bias");
      }
    }
    CHECK(places.size() == count);
  }
}

TEST_CASE("names and forms of tensors in GGUF files", "[models]") {
  models::DecoderConfig llama;
  llama.model_type = "llama";
  llama.num_heads = 32;
  llama.num_kv_heads = 8;
  const auto at = [](const models::DecoderConfig& config, const char* name) {
    return models::gguf_place(config, name).value_or(GgufPlace{});
  };
  CHECK(at(llama, "model.embed_tokens.weight").name == "token_embd.weight");
  CHECK(at(llama, "lm_head.weight").name == "output.weight");
  CHECK(at(llama, "model.layers.31.post_attention_layernorm.weight").name ==
        "blk.31.ffn_norm.weight");
  CHECK(at(llama, "model.layers.3.self_attn.q_proj.weight").paired_heads == 32);
  CHECK(at(llama, "model.layers.3.self_attn.k_proj.bias").paired_heads == 8);
  CHECK(at(llama, "model.layers.3.self_attn.v_proj.weight").paired_heads == 0);
  llama.model_type = "qwen2";
  CHECK(at(llama, "model.layers.3.self_attn.q_proj.weight").paired_heads == 0);

  models::DecoderConfig gemma;
  gemma.model_type = "gemma3_text";
  gemma.norm = models::NormKind::kRmsPlusOne;
  gemma.post_norms = true;
  CHECK(at(gemma, "model.layers.0.post_attention_layernorm.weight").name ==
        "blk.0.post_attention_norm.weight");
  for (const char* norm : {"model.norm.weight", "model.layers.0.self_attn.q_norm.weight",
                           "model.layers.0.pre_feedforward_layernorm.weight"}) {
    CHECK(at(gemma, norm).plus_one);
  }
  CHECK_FALSE(at(gemma, "model.layers.0.mlp.up_proj.weight").plus_one);

  models::DecoderConfig gpt2;
  gpt2.model_type = "gpt2";
  gpt2.norm = models::NormKind::kLayerNorm;
  CHECK(at(gpt2, "transformer.wpe.weight").name == "position_embd.weight");
  CHECK(at(gpt2, "transformer.h.1.mlp.c_fc.weight").name == "blk.1.ffn_up.weight");
  CHECK(at(gpt2, "transformer.h.1.mlp.c_fc.weight").transposed);
  CHECK_FALSE(at(gpt2, "transformer.h.1.mlp.c_fc.bias").transposed);
  CHECK_FALSE(at(gpt2, "transformer.ln_f.weight").plus_one);

  for (const char* other : {"", "score.weight", "model.layers.0.weight",
                            "model.layers.0.other.weight", "model.embed_tokens"}) {
    CHECK_FALSE(models::gguf_place(llama, other).has_value());
  }
}
