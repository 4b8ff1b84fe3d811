// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/gpt2.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::Activation;
using posttrain::models::Naming;
using posttrain::models::NormKind;

namespace {

// gpt2, the smallest.
const char* const kPublished = R"({
  "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
  "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
  "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768,
  "n_head": 12, "n_inner": null, "n_layer": 12, "n_positions": 1024,
  "reorder_and_upcast_attn": false, "resid_pdrop": 0.1,
  "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true,
  "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
  "summary_type": "cls_index", "summary_use_proj": true,
  "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
  "torch_dtype": "float16", "transformers_version": "4.37.2", "use_cache": true,
  "vocab_size": 50257})";

}  // namespace

TEST_CASE("a GPT-2 config is read under its own names") {
  const auto config = read_config(Json::parse(kPublished));
  CHECK(config.naming == Naming::kGpt2);
  CHECK(config.learned_positions);
  CHECK(config.max_positions == 1024);
  CHECK(config.hidden_size == 768);
  CHECK(config.intermediate_size == 4 * 768);  // n_inner is null
  CHECK(config.num_kv_heads == 12);
  CHECK(config.norm == NormKind::kLayerNorm);
  CHECK(config.activation == Activation::kGeluTanh);
  CHECK_FALSE(config.gated_mlp);
  CHECK(config.qkv_bias);
  CHECK(config.output_bias);
  CHECK(config.mlp_bias);
  CHECK(config.tied);
  CHECK(config.padding_id == -1);
  CHECK(config.attention_scale == 0.125);
  CHECK(ropes_of(config) == std::vector<int>(12, -1));
  CHECK(read_config(changed(kPublished, {{"scale_attn_weights", false}})).attention_scale == 1.0);
}

TEST_CASE("a GPT-2 of another computation is refused") {
  CHECK_THAT(
      refusal_of(changed(kPublished, {{"scale_attn_by_inverse_layer_idx", true}})),
      Catch::Contains("scale_attn_by_inverse_layer_idx = true is not supported, only false"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"n_ctx", 512}})),
             Catch::Contains("n_ctx = 512 is not supported, only 1024"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"n_head", 7}})),
             Catch::Contains("expected n_embd to be a multiple of n_head, got 768 and 7"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"rope_theta", 1e4}})),
             Catch::Contains("key \"rope_theta\""));
}
