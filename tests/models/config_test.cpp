// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/config.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Error;
using posttrain::Json;
using posttrain::models::Activation;
using posttrain::models::Naming;
using posttrain::models::NormKind;
using posttrain::models::parse_config;
using Windows = std::vector<std::int64_t>;

TEST_CASE("a Llama config becomes plain numbers") {
  const auto config =
      read_config(small_config("llama", {{"rms_norm_eps", 1e-5}, {"mlp_bias", true}}));
  CHECK(config.model_type == "llama");
  CHECK(config.naming == Naming::kLlama);
  CHECK(config.num_layers() == 4);
  CHECK(config.head_dim == 16);
  CHECK(config.num_kv_heads == 2);
  CHECK(config.attention_scale == Approx(0.25));
  CHECK(config.norm == NormKind::kRms);
  CHECK(config.norm_eps == 1e-5);
  CHECK(config.activation == Activation::kSilu);
  CHECK(config.mlp_bias);
  CHECK_FALSE(config.qkv_bias);
  CHECK_FALSE(config.tied);
  CHECK(config.padding_id == -1);
  CHECK(windows_of(config) == Windows{0, 0, 0, 0});
}

TEST_CASE("absent keys have the defaults of the family, null means not set") {
  CHECK(read_config({{"model_type", "llama"}}).hidden_size == 4096);
  CHECK(read_config({{"model_type", "llama"}}).num_kv_heads == 32);
  CHECK(read_config({{"model_type", "mistral"}}).num_kv_heads == 8);
  CHECK(read_config({{"model_type", "mistral"}, {"num_key_value_heads", nullptr}}).num_kv_heads ==
        32);
  CHECK(read_config({{"model_type", "qwen3"}}).head_dim == 128);
  CHECK(read_config({{"model_type", "gemma2"}}).padding_id == 0);
  CHECK(read_config({{"model_type", "gemma2"}}).tied);
  CHECK(read_config({{"architectures", {"Qwen2ForCausalLM"}}}).model_type == "qwen2");
  CHECK(read_config(small_config("llama", {{"pad_token_id", -1}})).padding_id == 127);
  CHECK(read_config(small_config("llama", {{"pad_token_id", 5000}})).padding_id == -1);
}

TEST_CASE("windows follow each family's rule") {
  CHECK(windows_of(read_config(small_config("mistral"))) == Windows{4096, 4096, 4096, 4096});
  CHECK(windows_of(read_config(small_config("mistral", {{"sliding_window", nullptr}}))) ==
        Windows{0, 0, 0, 0});
  const Json full = {"full_attention", "full_attention", "full_attention", "full_attention"};
  CHECK(windows_of(read_config(
            small_config("mistral", {{"sliding_window", nullptr}, {"layer_types", full}}))) ==
        Windows{0, 0, 0, 0});
  CHECK(
      contains(refusal_of(small_config("mistral", {{"sliding_window", 8}, {"layer_types", full}})),
               "layer_types"));
  CHECK(windows_of(read_config(small_config("qwen2", {{"sliding_window", 8}}))) ==
        Windows{0, 0, 0, 0});
  const Json used = {{"sliding_window", 8}, {"use_sliding_window", true}, {"max_window_layers", 3}};
  CHECK(windows_of(read_config(small_config("qwen2", used))) == Windows{0, 0, 0, 8});
  Json typed = used;
  typed["layer_types"] = {"sliding_attention", "full_attention", "full_attention",
                          "sliding_attention"};
  CHECK(windows_of(read_config(small_config("qwen3", typed))) == Windows{8, 0, 0, 8});
  typed["use_sliding_window"] = false;
  CHECK(contains(refusal_of(small_config("qwen3", typed)), "no sliding_window is in force"));
  CHECK(windows_of(read_config(small_config("gemma2", {{"sliding_window", 8}}))) ==
        Windows{8, 0, 8, 0});
  CHECK(windows_of(read_config(
            small_config("gemma3_text", {{"sliding_window", 8}, {"sliding_window_pattern", 3}}))) ==
        Windows{8, 8, 0, 8});
  CHECK(windows_of(read_config(small_config("phi3", {{"sliding_window", 8}}))) ==
        Windows{8, 8, 8, 8});
  CHECK(contains(refusal_of(small_config("qwen2", {{"layer_types", {"full_attention"}}})),
                 "expected layer_types to name 4 layers, got 1"));
  CHECK(contains(
      refusal_of(small_config("qwen2", {{"layer_types", Json::array({"a", "a", "a", "a"})}})),
      "layer type \"a\" is not supported"));
}

TEST_CASE("the families' switches are read") {
  const auto qwen2 = read_config(small_config("qwen2"));
  CHECK(qwen2.qkv_bias);
  CHECK_FALSE(qwen2.output_bias);
  const auto qwen3 =
      read_config(small_config("qwen3", {{"attention_bias", true}, {"head_dim", 32}}));
  CHECK(qwen3.qk_norm);
  CHECK(qwen3.output_bias);
  CHECK(qwen3.attention_scale == Approx(0.1767766953));

  const auto smollm = read_config(small_config("smollm3"));
  CHECK(smollm.tied);
  CHECK(ropes_of(smollm) == std::vector<int>{0, 0, 0, -1});
  CHECK(smollm.ropes[0].theta == 2000000.0);
  CHECK(ropes_of(read_config(small_config("smollm3", {{"no_rope_layers", {0, 1, 1, 0}}}))) ==
        std::vector<int>{-1, 0, 0, -1});

  const auto granite = read_config(small_config("granite", {{"embedding_multiplier", 12.0},
                                                            {"residual_multiplier", 0.22},
                                                            {"attention_multiplier", 0.0078125},
                                                            {"attention_dropout", 0.1},
                                                            {"logits_scaling", 8.0}}));
  CHECK(granite.embedding_scale == 12.0);
  CHECK(granite.lookup_scale == 1.0);
  CHECK(granite.residual_scale == 0.22);
  CHECK(granite.attention_scale == 0.0078125);
  CHECK(granite.logit_scale == 0.125);
  CHECK(read_config(small_config("granite")).attention_scale == 1.0);

  const auto phi = read_config(small_config("phi3", {{"partial_rotary_factor", 0.5}}));
  CHECK(phi.naming == Naming::kPhi3);
  CHECK(phi.norm_eps == 1e-5);
  CHECK(phi.ropes[0].rotary_dim == 8);

  const auto gemma2 = read_config(small_config("gemma2", {{"query_pre_attn_scalar", 144}}));
  CHECK(gemma2.norm == NormKind::kRmsPlusOne);
  CHECK(gemma2.post_norms);
  CHECK(gemma2.head_dim == 256);
  CHECK(gemma2.lookup_scale == 8.0);
  CHECK(gemma2.embedding_scale == 1.0);
  CHECK(gemma2.attention_scale == Approx(1.0 / 12.0));
  CHECK(gemma2.attention_softcap == 50.0);
  CHECK(gemma2.final_softcap == 30.0);
  CHECK(gemma2.activation == Activation::kGeluTanh);

  const auto gemma3 = read_config(small_config("gemma3_text", {{"attn_logit_softcapping", 50.0}}));
  CHECK(gemma3.qk_norm);
  CHECK(gemma3.attention_softcap == 0.0);  // the original reads it and does not use it
  CHECK(gemma3.final_softcap == 0.0);
  CHECK(ropes_of(gemma3) == std::vector<int>{1, 1, 1, 1});
  CHECK(gemma3.ropes[0].theta == 1000000.0);
  CHECK(gemma3.ropes[1].theta == 10000.0);
}

TEST_CASE("inconsistent sizes and wrong types are errors, never a crash") {
  CHECK(contains(refusal_of(small_config("llama", {{"num_key_value_heads", 3}})), "multiple"));
  CHECK(contains(refusal_of(small_config("llama", {{"hidden_size", 66}})), "set head_dim"));
  CHECK(contains(refusal_of(small_config("llama", {{"head_dim", 15}})), "even number"));
  CHECK(contains(refusal_of(small_config("llama", {{"vocab_size", 0}})), "expected vocab_size"));
  CHECK(contains(refusal_of(small_config("llama", {{"vocab_size", -4}})), "got -4"));
  CHECK(contains(refusal_of(small_config("llama", {{"vocab_size", "many"}})), "got \"many\""));
  CHECK(contains(refusal_of(small_config("llama", {{"vocab_size", 1.5}})), "got 1.5"));
  CHECK(contains(refusal_of(small_config("llama", {{"vocab_size", 18446744073709551615ULL}})),
                 "to 2147483648"));
  CHECK(contains(refusal_of(small_config("llama", {{"head_dim", 1073741824}})), "per head"));
  CHECK(contains(refusal_of(small_config("llama", {{"num_hidden_layers", 100000000}})), "100000"));
  CHECK(contains(refusal_of(small_config("llama", {{"hidden_act", "relu"}})),
                 "hidden_act = \"relu\""));
  CHECK(contains(refusal_of(small_config("llama", {{"tie_word_embeddings", 1}})), "true or false"));
  CHECK(contains(refusal_of(small_config("llama", {{"rope_theta", 0}})), "rope_theta > 0"));
  CHECK(contains(refusal_of(small_config("llama", {{"rope_scaling", "linear"}})), "rope_scaling"));
  CHECK(contains(refusal_of(small_config("llama", {{"rope_scaling", {{"type", "linear"}}}})),
                 "needs a factor"));
  CHECK(contains(refusal_of(small_config("llama", {{"attention_dropout", 1.5}})),
                 "attention_dropout"));
  CHECK(contains(refusal_of(Json::array()), "expected a JSON object, got []"));
  CHECK_THROWS_AS(parse_config("{\"model_type\": "), Error);
  CHECK_THROWS_AS(parse_config(""), Error);
}
