// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/qwen.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;

namespace {

// Qwen2.5-0.5B.
const char* const kTwo = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
  "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 24,
  "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
  "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.40.1", "use_cache": true, "use_mrope": false,
  "use_sliding_window": false, "vocab_size": 151936})";

// Qwen3-0.6B.
const char* const kThree = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
  "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
  "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
  "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
  "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
  "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})";

}  // namespace

TEST_CASE("Qwen 2.5 has biases on q, k and v alone, and no window unless it is asked for") {
  const auto config = read_config(Json::parse(kTwo));
  CHECK(config.qkv_bias);
  CHECK_FALSE(config.output_bias);
  CHECK_FALSE(config.qk_norm);
  CHECK(config.head_dim == 64);
  CHECK(config.ropes.at(0).theta == 1000000.0);
  CHECK(windows_of(config) == std::vector<std::int64_t>(24, 0));
  auto windows = windows_of(
      read_config(changed(kTwo, {{"use_sliding_window", true}, {"max_window_layers", 21}})));
  CHECK(windows[20] == 0);
  CHECK(windows[21] == 32768);
  CHECK_THAT(refusal_of(changed(kTwo, {{"use_mrope", true}})), Catch::Contains("\"use_mrope\""));
  CHECK_THAT(refusal_of(changed(kTwo, {{"attention_bias", false}})),
             Catch::Contains("attention_bias = false is not supported, only true"));
}

TEST_CASE("Qwen 3 norms the heads of q and k, whose size its width does not say") {
  const auto config = read_config(Json::parse(kThree));
  CHECK(config.qk_norm);
  CHECK_FALSE(config.qkv_bias);
  CHECK(config.head_dim == 128);  // 1024 / 16 is 64
  CHECK(config.attention_scale == Approx(1.0 / std::sqrt(128.0)));
  CHECK(config.tied);
  CHECK(read_config(changed(kThree, {{"attention_bias", true}})).output_bias);
  CHECK_THAT(refusal_of(changed(kThree, {{"mlp_bias", true}})),
             Catch::Contains("mlp_bias = true is not supported"));
}
