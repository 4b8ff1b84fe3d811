// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/layout.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::MatrixSpec;
using posttrain::SiteSpec;
using posttrain::models::decoder_layout;
using posttrain::models::DecoderLayout;
using posttrain::models::with_reward_head;

namespace {

DecoderLayout layout_of(const std::string& type, const Json& changes = Json::object()) {
  return decoder_layout(read_config(small_config(type, changes)));
}

}  // namespace

TEST_CASE("q, k and v are one site of three parts, gate and up one of two") {
  const DecoderLayout all = layout_of("llama", {{"num_hidden_layers", 2}});
  REQUIRE(all.layers.size() == 2);
  const auto& sites = all.layout.sites;
  const std::string at = "model.layers.1.";
  const auto& layer = all.layers[1];
  CHECK(sites[layer.qkv] == SiteSpec{{{at + "self_attn.q_proj", 64},
                                      {at + "self_attn.k_proj", 32},
                                      {at + "self_attn.v_proj", 32}},
                                     64});
  CHECK(sites[layer.up] == SiteSpec{{{at + "mlp.gate_proj", 96}, {at + "mlp.up_proj", 96}}, 64});
  CHECK(sites[layer.down] == SiteSpec{{{at + "mlp.down_proj", 64}}, 96});
  CHECK(all.layout.vectors[layer.mlp_norm].name == at + "post_attention_layernorm.weight");
  CHECK(layer.post_attention_norm == -1);
  CHECK(layer.q_norm == -1);
  CHECK(all.layout.tables[all.token_table].name == "model.embed_tokens.weight");
  CHECK(all.position_table == -1);
  CHECK(sites[all.head].head);
  CHECK(sites[all.head].shares == -1);
  CHECK(all.layout.attention.kv_heads == 2);
  CHECK_FALSE(all.layout.attention.length_dependent);
}

TEST_CASE("sizes whose product no machine holds are an error, not an overflow") {
  const auto error = [](const Json& changes) {
    return error_of([&] { layout_of("llama", changes); });
  };
  constexpr std::int64_t kLarge = std::int64_t{1} << 31;
  CHECK(contains(error({{"vocab_size", kLarge}, {"hidden_size", kLarge}, {"head_dim", 64}}),
                 "at most 2^50 parameters, got a matrix of [2147483648, 2147483648]"));
  CHECK(contains(error({{"hidden_size", kLarge}, {"intermediate_size", kLarge}, {"head_dim", 64}}),
                 "at most 2^50 parameters"));
  CHECK(contains(error({{"num_hidden_layers", 100000}, {"intermediate_size", kLarge}}),
                 "at most 2^50 parameters"));  // in sum
}

TEST_CASE("families differ in names, fusion, norms and what the head shares") {
  const DecoderLayout phi = layout_of("phi3");
  CHECK(phi.layout.sites[phi.layers[0].qkv].parts ==
        std::vector<MatrixSpec>{{"model.layers.0.self_attn.qkv_proj", 128}});
  CHECK(phi.layout.sites[phi.layers[0].up].parts ==
        std::vector<MatrixSpec>{{"model.layers.0.mlp.gate_up_proj", 192}});

  const DecoderLayout gemma = layout_of("gemma3_text");
  CHECK(gemma.layout.vectors[gemma.layers[0].mlp_norm].name ==
        "model.layers.0.pre_feedforward_layernorm.weight");
  CHECK(gemma.layout.vectors[gemma.layers[0].q_norm].size == 256);
  CHECK(gemma.layout.vectors[gemma.final_norm].initial == 0.0);  // a factor of 1 + w
  CHECK(gemma.layout.tables[0].lookup_scale == 8.0);
  CHECK(gemma.layout.sites[gemma.head].shares == gemma.token_table);

  const DecoderLayout gpt2 = decoder_layout(
      read_config({{"model_type", "gpt2"}, {"n_embd", 64}, {"n_head", 4}, {"n_layer", 1}}));
  CHECK(gpt2.layout.sites[gpt2.layers[0].qkv].parts ==
        std::vector<MatrixSpec>{{"transformer.h.0.attn.c_attn", 192, true}});
  CHECK(gpt2.layout.tables[gpt2.position_table].rows == 1024);
  CHECK(gpt2.layout.vectors[gpt2.final_norm + 1].name == "transformer.ln_f.bias");

  const DecoderLayout dynamic =
      layout_of("llama", {{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}});
  CHECK(dynamic.layout.attention.length_dependent);
}

TEST_CASE("a reward model's head is one row of its own, even over a tied body") {
  const DecoderLayout tied = layout_of("llama", {{"tie_word_embeddings", true}});
  CHECK(tied.layout.sites[tied.head].shares == tied.token_table);
  const DecoderLayout reward = decoder_layout(
      with_reward_head(read_config(small_config("llama", {{"tie_word_embeddings", true}}))));
  const SiteSpec& head = reward.layout.sites[reward.head];
  CHECK(head.parts == std::vector<MatrixSpec>{{"score", 1}});
  CHECK(head.shares == -1);
}
