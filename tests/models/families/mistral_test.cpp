// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/mistral.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;

namespace {

// Mistral-7B-v0.1.
const char* const kPublished = R"({
  "architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0",
  "use_cache": true, "vocab_size": 32000})";

}  // namespace

TEST_CASE("every layer of Mistral 7B slides, none of its successor's does") {
  const auto config = read_config(Json::parse(kPublished));
  CHECK(windows_of(config) == std::vector<std::int64_t>(32, 4096));
  CHECK(config.head_dim == 128);
  CHECK(config.num_kv_heads == 8);
  CHECK_FALSE(config.tied);
  const auto later = read_config(changed(kPublished, {{"sliding_window", nullptr}}));
  CHECK(windows_of(later) == std::vector<std::int64_t>(32, 0));
}

TEST_CASE("a Mistral's absent window is 4096, and layers cannot differ") {
  CHECK(windows_of(read_config(small_config("mistral"))).front() == 4096);
  const Json mixed = {"full_attention", "sliding_attention", "full_attention", "full_attention"};
  CHECK_THAT(refusal_of(small_config("mistral", {{"layer_types", mixed}})),
             Catch::Contains("its layers all slide, or none do if sliding_window is null"));
  CHECK_THAT(refusal_of(small_config("mistral", {{"attention_bias", true}})),
             Catch::Contains("attention_bias = true is not supported, only false"));
}
