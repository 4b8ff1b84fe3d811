// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/gemma.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::Activation;
using posttrain::models::NormKind;

namespace {

// gemma-2-2b.
const char* const kTwo = R"({
  "architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid",
  "eos_token_id": 1, "final_logit_softcapping": 30.0, "head_dim": 256,
  "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
  "hidden_size": 2304, "initializer_range": 0.02, "intermediate_size": 9216,
  "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8,
  "num_hidden_layers": 26, "num_key_value_heads": 4, "pad_token_id": 0,
  "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
  "sliding_window": 4096, "torch_dtype": "float32", "transformers_version": "4.42.4",
  "use_cache": true, "vocab_size": 256000})";

// gemma-3-1b-it.
const char* const kThree = R"({
  "architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "attn_logit_softcapping": null, "bos_token_id": 2, "cache_implementation": "hybrid",
  "eos_token_id": [1, 106], "final_logit_softcapping": null, "head_dim": 256,
  "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "initializer_range": 0.02,
  "intermediate_size": 6912, "max_position_embeddings": 32768, "model_type": "gemma3_text",
  "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
  "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
  "rope_local_base_freq": 10000, "rope_scaling": null, "rope_theta": 1000000,
  "sliding_window": 512, "sliding_window_pattern": 6, "torch_dtype": "bfloat16",
  "transformers_version": "4.50.0.dev0", "use_cache": true, "vocab_size": 262144})";

}  // namespace

TEST_CASE("Gemma 2 alternates windows, caps its scores and scales its embedding") {
  const auto config = read_config(Json::parse(kTwo));
  CHECK(config.norm == NormKind::kRmsPlusOne);
  CHECK(config.post_norms);
  CHECK(config.activation == Activation::kGeluTanh);
  CHECK(config.lookup_scale == 48.0);  // √2304
  CHECK(config.attention_scale == 1.0 / 16.0);
  CHECK(config.attention_softcap == 50.0);
  CHECK(config.final_softcap == 30.0);
  CHECK(config.tied);
  const auto windows = windows_of(config);
  for (std::size_t i = 0; i < windows.size(); ++i) CHECK(windows[i] == (i % 2 == 0 ? 4096 : 0));
  CHECK_THAT(refusal_of(changed(kTwo, {{"final_logit_softcapping", 0.0}})),
             Catch::Contains("expected final_logit_softcapping > 0 or null, got 0"));
  CHECK_THAT(refusal_of(changed(kTwo, {{"rope_local_base_freq", 10000}})),
             Catch::Contains("key \"rope_local_base_freq\""));
}

TEST_CASE("every sixth layer of Gemma 3 sees everything, with a rotary base of its own") {
  const auto config = read_config(Json::parse(kThree));
  CHECK(config.qk_norm);
  CHECK(config.attention_softcap == 0.0);
  CHECK(config.final_softcap == 0.0);
  REQUIRE(config.ropes.size() == 2);
  CHECK(config.ropes[0].theta == 1000000.0);
  CHECK(config.ropes[1].theta == 10000.0);
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    CHECK(config.layers[i].window == (i % 6 == 5 ? 0 : 512));
    CHECK(config.layers[i].rope == (i % 6 == 5 ? 0 : 1));
  }
  CHECK_THAT(refusal_of(changed(kThree, {{"use_bidirectional_attention", true}})),
             Catch::Contains("use_bidirectional_attention = true is not supported"));
}

TEST_CASE("Gemma 3 takes rotary settings per layer type, or the older keys") {
  const auto nested = read_config(small_config(
      "gemma3_text",
      {{"rope_parameters",
        {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}},
         {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 5000.0}}}}}}));
  CHECK(nested.ropes[0].inv_freq[0] == 0.125F);
  CHECK(nested.ropes[1].theta == 5000.0);
  const auto older = read_config(
      small_config("gemma3_text", {{"rope_theta", 1000000},
                                   {"rope_local_base_freq", 5000},
                                   {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}}));
  CHECK(older.ropes[0].inv_freq == nested.ropes[0].inv_freq);
  CHECK(older.ropes[1].inv_freq == nested.ropes[1].inv_freq);
}
