// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/llama.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::Activation;
using posttrain::models::DecoderConfig;
using posttrain::models::Naming;
using posttrain::models::NormKind;

namespace {

// Llama-3.2-1B.
const char* const kPublished = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 128000, "eos_token_id": 128001, "head_dim": 64, "hidden_act": "silu",
  "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 8192,
  "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
  "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
  "pretraining_tp": 1, "rms_norm_eps": 1e-05,
  "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"},
  "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.45.0.dev0", "use_cache": true, "vocab_size": 128256})";

}  // namespace

TEST_CASE("Llama 3.2 is grouped-query attention, tied, with its own rotary scaling") {
  const DecoderConfig config = read_config(Json::parse(kPublished));
  CHECK(config.naming == Naming::kLlama);
  CHECK(config.num_layers() == 16);
  CHECK(config.num_heads / config.num_kv_heads == 4);
  CHECK(config.head_dim == 64);
  CHECK(config.attention_scale == 0.125);
  CHECK(config.norm == NormKind::kRms);
  CHECK(config.norm_eps == 1e-5);
  CHECK(config.activation == Activation::kSilu);
  CHECK(config.tied);
  CHECK(config.padding_id == -1);
  REQUIRE(config.ropes.size() == 1);
  CHECK(config.ropes[0].inv_freq.front() == 1.0F);  // short waves stay, long ones are divided
  CHECK(config.ropes[0].inv_freq.back() == Approx(std::pow(500000.0, -62.0 / 64.0) / 32.0));
  CHECK_FALSE(config.ropes[0].dynamic);
}

TEST_CASE("a Llama takes biases, and refuses what would change its mathematics") {
  CHECK(read_config(changed(kPublished, {{"attention_bias", true}})).output_bias);
  CHECK(read_config(changed(kPublished, {{"mlp_bias", true}})).mlp_bias);
  CHECK_THAT(refusal_of(changed(kPublished, {{"sliding_window", 4096}})),
             Catch::Contains("key \"sliding_window\" = 4096"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"rope_interleaved", true}})),
             Catch::Contains("rope_interleaved = true is not supported"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"lm_head_bias", true}})),
             Catch::Contains("lm_head_bias = true is not supported"));
}
