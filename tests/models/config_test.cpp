// SPDX-License-Identifier: Apache-2.0
// Frequencies are dumped from transformers 5.23 (`<Family>RotaryEmbedding(config).inv_freq`).
#include "posttrain/models/config.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/families/parse.hpp"
#include "support/catch.hpp"

namespace {

using posttrain::Error;
using posttrain::models::Activation;
using posttrain::models::DecoderConfig;
using posttrain::models::Naming;
using posttrain::models::NormKind;
using posttrain::models::parse_config;
using Json = nlohmann::json;

// A small config of `type` with `changes` on top.
Json small(const std::string& type, const Json& changes = Json::object()) {
  Json config = {{"model_type", type},       {"vocab_size", 128},
                 {"hidden_size", 64},        {"intermediate_size", 96},
                 {"num_hidden_layers", 4},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 64},
                 {"pad_token_id", nullptr}};
  config.update(changes);
  return config;
}

DecoderConfig parse(const Json& config) { return parse_config(config.dump()); }

std::string error_of(const Json& config) {
  try {
    parse(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Dumped values have nine digits, so equality of floats can be asked for; one unit in the last
// place is left to other implementations of pow.
void check_frequencies(const std::vector<float>& ours, const std::vector<float>& expected) {
  REQUIRE(ours.size() >= expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("frequency " << i);
    CHECK(ours[i] == Approx(expected[i]).epsilon(2e-7).margin(0.0));
  }
}

std::vector<std::int64_t> windows(const DecoderConfig& config) {
  std::vector<std::int64_t> result;
  for (const auto& layer : config.layers) result.push_back(layer.window);
  return result;
}

std::vector<int> rope_indices(const DecoderConfig& config) {
  std::vector<int> result;
  for (const auto& layer : config.layers) result.push_back(layer.rope);
  return result;
}

using Windows = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a Llama config becomes plain numbers") {
  const auto config = parse(small("llama", {{"rms_norm_eps", 1e-5}, {"mlp_bias", true}}));
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
  CHECK(windows(config) == Windows{0, 0, 0, 0});
}

TEST_CASE("absent keys have the defaults of the family, null means not set") {
  CHECK(parse({{"model_type", "llama"}}).hidden_size == 4096);
  CHECK(parse({{"model_type", "llama"}}).num_kv_heads == 32);
  CHECK(parse({{"model_type", "mistral"}}).num_kv_heads == 8);
  CHECK(parse({{"model_type", "mistral"}, {"num_key_value_heads", nullptr}}).num_kv_heads == 32);
  CHECK(parse({{"model_type", "qwen3"}}).head_dim == 128);
  CHECK(parse({{"model_type", "gemma2"}}).padding_id == 0);
  CHECK(parse({{"model_type", "gemma2"}}).tied);
  CHECK(parse({{"architectures", {"Qwen2ForCausalLM"}}}).model_type == "qwen2");
  CHECK(parse(small("llama", {{"pad_token_id", -1}})).padding_id == 127);
  CHECK(parse(small("llama", {{"pad_token_id", 5000}})).padding_id == -1);
}

TEST_CASE("windows follow each family's rule") {
  CHECK(windows(parse(small("mistral"))) == Windows{4096, 4096, 4096, 4096});
  CHECK(windows(parse(small("mistral", {{"sliding_window", nullptr}}))) == Windows{0, 0, 0, 0});
  const Json full = {"full_attention", "full_attention", "full_attention", "full_attention"};
  CHECK(windows(parse(small("mistral", {{"sliding_window", nullptr}, {"layer_types", full}}))) ==
        Windows{0, 0, 0, 0});
  CHECK(contains(error_of(small("mistral", {{"sliding_window", 8}, {"layer_types", full}})),
                 "layer_types"));
  CHECK(windows(parse(small("qwen2", {{"sliding_window", 8}}))) == Windows{0, 0, 0, 0});
  const Json used = {{"sliding_window", 8}, {"use_sliding_window", true}, {"max_window_layers", 3}};
  CHECK(windows(parse(small("qwen2", used))) == Windows{0, 0, 0, 8});
  Json typed = used;
  typed["layer_types"] = {"sliding_attention", "full_attention", "full_attention",
                          "sliding_attention"};
  CHECK(windows(parse(small("qwen3", typed))) == Windows{8, 0, 0, 8});
  typed["use_sliding_window"] = false;
  CHECK(contains(error_of(small("qwen3", typed)), "no sliding_window is in force"));
  CHECK(windows(parse(small("gemma2", {{"sliding_window", 8}}))) == Windows{8, 0, 8, 0});
  CHECK(windows(
            parse(small("gemma3_text", {{"sliding_window", 8}, {"sliding_window_pattern", 3}}))) ==
        Windows{8, 8, 0, 8});
  CHECK(windows(parse(small("phi3", {{"sliding_window", 8}}))) == Windows{8, 8, 8, 8});
  CHECK(contains(error_of(small("qwen2", {{"layer_types", {"full_attention"}}})),
                 "expected layer_types to name 4 layers, got 1"));
  CHECK(contains(error_of(small("qwen2", {{"layer_types", Json::array({"a", "a", "a", "a"})}})),
                 "layer type \"a\" is not supported"));
}

TEST_CASE("the families' switches are read") {
  const auto qwen2 = parse(small("qwen2"));
  CHECK(qwen2.qkv_bias);
  CHECK_FALSE(qwen2.output_bias);
  const auto qwen3 = parse(small("qwen3", {{"attention_bias", true}, {"head_dim", 32}}));
  CHECK(qwen3.qk_norm);
  CHECK(qwen3.output_bias);
  CHECK(qwen3.attention_scale == Approx(0.1767766953));

  const auto smollm = parse(small("smollm3"));
  CHECK(smollm.tied);
  CHECK(rope_indices(smollm) == std::vector<int>{0, 0, 0, -1});
  CHECK(smollm.ropes[0].theta == 2000000.0);
  CHECK(rope_indices(parse(small("smollm3", {{"no_rope_layers", {0, 1, 1, 0}}}))) ==
        std::vector<int>{-1, 0, 0, -1});

  const auto granite = parse(small("granite", {{"embedding_multiplier", 12.0},
                                               {"residual_multiplier", 0.22},
                                               {"attention_multiplier", 0.0078125},
                                               {"attention_dropout", 0.1},
                                               {"logits_scaling", 8.0}}));
  CHECK(granite.embedding_scale == 12.0);
  CHECK(granite.lookup_scale == 1.0);
  CHECK(granite.residual_scale == 0.22);
  CHECK(granite.attention_scale == 0.0078125);
  CHECK(granite.logit_scale == 0.125);
  CHECK(parse(small("granite")).attention_scale == 1.0);

  const auto phi = parse(small("phi3", {{"partial_rotary_factor", 0.5}}));
  CHECK(phi.naming == Naming::kPhi3);
  CHECK(phi.norm_eps == 1e-5);
  CHECK(phi.ropes[0].rotary_dim == 8);

  const auto gemma2 = parse(small("gemma2", {{"query_pre_attn_scalar", 144}}));
  CHECK(gemma2.norm == NormKind::kRmsPlusOne);
  CHECK(gemma2.post_norms);
  CHECK(gemma2.head_dim == 256);
  CHECK(gemma2.lookup_scale == 8.0);
  CHECK(gemma2.embedding_scale == 1.0);
  CHECK(gemma2.attention_scale == Approx(1.0 / 12.0));
  CHECK(gemma2.attention_softcap == 50.0);
  CHECK(gemma2.final_softcap == 30.0);
  CHECK(gemma2.activation == Activation::kGeluTanh);

  const auto gemma3 = parse(small("gemma3_text", {{"attn_logit_softcapping", 50.0}}));
  CHECK(gemma3.qk_norm);
  CHECK(gemma3.attention_softcap == 0.0);  // the original reads it and does not use it
  CHECK(gemma3.final_softcap == 0.0);
  CHECK(rope_indices(gemma3) == std::vector<int>{1, 1, 1, 1});
  CHECK(gemma3.ropes[0].theta == 1000000.0);
  CHECK(gemma3.ropes[1].theta == 10000.0);
}

TEST_CASE("a GPT-2 config is read under its own names") {
  const auto config = parse({{"model_type", "gpt2"},
                             {"vocab_size", 128},
                             {"n_embd", 64},
                             {"n_layer", 3},
                             {"n_head", 4},
                             {"n_positions", 32},
                             {"n_ctx", 32},
                             {"resid_pdrop", 0.1},
                             {"attn_pdrop", 0.1},
                             {"embd_pdrop", 0.1}});
  CHECK(config.naming == Naming::kGpt2);
  CHECK(config.learned_positions);
  CHECK(config.max_positions == 32);
  CHECK(config.intermediate_size == 256);
  CHECK(config.norm == NormKind::kLayerNorm);
  CHECK(config.activation == Activation::kGeluTanh);
  CHECK_FALSE(config.gated_mlp);
  CHECK(config.qkv_bias);
  CHECK(config.output_bias);
  CHECK(config.mlp_bias);
  CHECK(config.tied);
  CHECK(config.attention_scale == 0.25);
  CHECK(rope_indices(config) == std::vector<int>{-1, -1, -1});
  CHECK(contains(error_of({{"model_type", "gpt2"}, {"scale_attn_by_inverse_layer_idx", true}}),
                 "scale_attn_by_inverse_layer_idx = true is not supported, only false"));
}

TEST_CASE("rotary frequencies equal those of transformers in both layouts") {
  const auto old_layout = parse(small("llama", {{"rope_theta", 10000.0}})).ropes[0];
  const auto new_layout =
      parse(small("llama", {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1e4}}}}))
          .ropes[0];
  const std::vector<float> plain = {1,
                                    0.316227764F,
                                    0.100000001F,
                                    0.0316227786F,
                                    0.00999999978F,
                                    0.00316227786F,
                                    0.00100000005F,
                                    0.000316227786F};
  check_frequencies(old_layout.inv_freq, plain);
  check_frequencies(new_layout.inv_freq, plain);
  CHECK(old_layout.inv_freq.size() == 8);
  CHECK(old_layout.at_length(100000) == old_layout.inv_freq);

  const auto linear =
      parse(small("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2.5}}}})).ropes[0];
  check_frequencies(linear.inv_freq,
                    {0.400000006F, 0.1264911F, 0.0399999991F, 0.0126491114F, 0.00399999972F,
                     0.00126491114F, 0.000400000019F, 0.000126491112F});
}

TEST_CASE("dynamic frequencies follow the length beyond max_position_embeddings") {
  const auto rope =
      parse(small("llama", {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}}))
          .ropes[0];
  CHECK(rope.dynamic);
  CHECK(rope.at_length(64) == rope.inv_freq);
  check_frequencies(rope.at_length(100),
                    {1, 0.283945143F, 0.0806248412F, 0.0228930302F, 0.00650036521F, 0.001845747F,
                     0.000524090894F, 0.000148813066F});
  check_frequencies(rope.at_length(5000),
                    {1, 0.153813854F, 0.0236587059F, 0.00363903702F, 0.000559734297F,
                     8.60949003e-05F, 1.32425903e-05F, 2.03689387e-06F});
}

TEST_CASE("llama3 frequencies equal those of transformers") {
  const auto rope = parse(small("llama", {{"head_dim", 64},
                                          {"rope_theta", 500000.0},
                                          {"rope_scaling",
                                           {{"rope_type", "llama3"},
                                            {"factor", 8.0},
                                            {"low_freq_factor", 1.0},
                                            {"high_freq_factor", 4.0},
                                            {"original_max_position_embeddings", 32}}}}))
                        .ropes[0];
  check_frequencies(rope.inv_freq, {1, 0.543540716F, 0.21466738F, 0.0781481639F, 0.0242403448F,
                                    0.0160859227F, 0.0106746377F, 0.00708370237F, 0.00470075384F});
  CHECK(rope.inv_freq[31] == Approx(3.7673226e-07F));
  CHECK_FALSE(rope.dynamic);
}

TEST_CASE("yarn frequencies and attention factor equal those of transformers") {
  Json scaling = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  const auto plain = parse(small("llama", {{"head_dim", 64}, {"rope_scaling", scaling}})).ropes[0];
  CHECK(plain.attention_factor == Approx(1.138629436111989));
  check_frequencies(plain.inv_freq, {1, 0.60928905F, 0.351463318F, 0.18449223F, 0.079056941F,
                                     0.0592843406F, 0.0444569848F, 0.0333380364F});
  scaling.update({{"mscale", 0.7},
                  {"mscale_all_dim", 1.3},
                  {"truncate", false},
                  {"beta_fast", 16},
                  {"beta_slow", 2}});
  const auto full = parse(small("llama", {{"head_dim", 64}, {"rope_scaling", scaling}})).ropes[0];
  CHECK(full.attention_factor == Approx(0.9295234923939468));
  check_frequencies(full.inv_freq, {1, 0.18747355F, 0.140585333F, 0.105424128F});
}

TEST_CASE("longrope switches between its two lists at the original length") {
  const Json changes = {{"partial_rotary_factor", 0.75},
                        {"max_position_embeddings", 128},
                        {"original_max_position_embeddings", 64},
                        {"rope_scaling",
                         {{"type", "su"},
                          {"short_factor", {1.0, 1.1, 1.2, 1.3, 1.4, 1.5}},
                          {"long_factor", {2.0, 3.0, 4.0, 5.0, 6.0, 7.0}}}}};
  const auto rope = parse(small("phi3", changes)).ropes[0];
  CHECK(rope.rotary_dim == 12);
  CHECK(rope.attention_factor == Approx(1.0801234497346435));
  check_frequencies(rope.at_length(64), {1, 0.195857689F, 0.0386799015F, 0.0076923077F,
                                         0.00153888157F, 0.000309439318F});
  check_frequencies(rope.at_length(65), {0.5F, 0.0718144849F, 0.011603971F, 0.00200000009F,
                                         0.000359072379F, 6.63084211e-05F});
  Json short_list = changes;
  short_list["rope_scaling"]["short_factor"] = {1.0};
  CHECK(contains(error_of(small("phi3", short_list)), "expected short_factor to list 6 numbers"));
}

TEST_CASE("Gemma 3 takes rotary settings per layer type, or the older keys") {
  const auto nested = parse(
      small("gemma3_text",
            {{"rope_parameters",
              {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}},
               {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 5000.0}}}}}}));
  CHECK(nested.ropes[0].inv_freq[0] == 0.125F);
  CHECK(nested.ropes[1].theta == 5000.0);
  const auto older =
      parse(small("gemma3_text", {{"rope_theta", 1000000},
                                  {"rope_local_base_freq", 5000},
                                  {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}}));
  CHECK(older.ropes[0].inv_freq == nested.ropes[0].inv_freq);
  CHECK(older.ropes[1].inv_freq == nested.ropes[1].inv_freq);
}

TEST_CASE("an unknown architecture is an error that lists the supported ones") {
  const auto message = error_of({{"model_type", "mamba"}});
  CHECK(contains(message, "model_type \"mamba\""));
  CHECK(contains(message,
                 "llama, mistral, qwen2, qwen3, smollm3, granite, phi3, gemma2, "
                 "gemma3_text, gpt2"));
  CHECK(contains(error_of(Json::object()), "is not supported"));
  CHECK(contains(error_of(small("llama", {{"architectures", {"LlamaForTokenClassification"}}})),
                 "only LlamaForCausalLM"));
}

TEST_CASE("a key that is not understood is an error that names it") {
  CHECK(contains(error_of(small("llama", {{"residual_multiplier", 0.2}})),
                 "\"residual_multiplier\" = 0.2"));
  CHECK(contains(error_of(small("llama", {{"quantization_config", {{"bits", 4}}}})),
                 "quantised weights are not supported"));
  const nlohmann::json nf4{
      {"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
  CHECK(error_of(small("llama", {{"quantization_config", nf4}})).empty());
  nlohmann::json fp4 = nf4;
  fp4["bnb_4bit_quant_type"] = "fp4";
  CHECK(contains(error_of(small("llama", {{"quantization_config", fp4}})),
                 "quantised weights are not supported"));
  CHECK(contains(error_of(small("llama", {{"sliding_window", 8}})), "sliding_window"));
  CHECK(contains(error_of(small("qwen2", {{"use_mrope", true}})), "use_mrope"));
  CHECK(error_of(small("qwen2", {{"use_mrope", false}})).empty());
  CHECK(error_of(small("llama", {{"sliding_window", nullptr}})).empty());
  CHECK(error_of(small("llama", {{"torch_dtype", "bfloat16"}, {"_name_or_path", "x"}})).empty());
  CHECK(contains(error_of(small("llama", {{"partial_rotary_factor", 0.5}})),
                 "expected partial_rotary_factor 1 for this family, got 0.5"));
  CHECK(contains(error_of(small("llama", {{"rope_scaling",
                                           {{"type", "linear"}, {"factor", 2}, {"beta", 1}}}})),
                 "rope_scaling: key \"beta\""));
  CHECK(contains(error_of(small("llama", {{"rope_scaling", {{"type", "mrope"}}}})),
                 "rope type \"mrope\" is not supported"));
  CHECK(contains(error_of(small("gemma3_text", {{"use_bidirectional_attention", true}})),
                 "use_bidirectional_attention"));
}

TEST_CASE("inconsistent sizes and wrong types are errors, never a crash") {
  CHECK(contains(error_of(small("llama", {{"num_key_value_heads", 3}})), "multiple"));
  CHECK(contains(error_of(small("llama", {{"hidden_size", 66}})), "set head_dim"));
  CHECK(contains(error_of(small("llama", {{"head_dim", 15}})), "even number"));
  CHECK(contains(error_of(small("llama", {{"vocab_size", 0}})), "expected vocab_size"));
  CHECK(contains(error_of(small("llama", {{"vocab_size", -4}})), "got -4"));
  CHECK(contains(error_of(small("llama", {{"vocab_size", "many"}})), "got \"many\""));
  CHECK(contains(error_of(small("llama", {{"vocab_size", 1.5}})), "got 1.5"));
  CHECK(contains(error_of(small("llama", {{"vocab_size", 18446744073709551615ULL}})),
                 "to 2147483648"));
  CHECK(contains(error_of(small("llama", {{"head_dim", 1073741824}})), "per head"));
  CHECK(contains(error_of(small("llama", {{"num_hidden_layers", 100000000}})), "100000"));
  CHECK(contains(error_of(small("llama", {{"hidden_act", "relu"}})), "hidden_act = \"relu\""));
  CHECK(contains(error_of(small("llama", {{"tie_word_embeddings", 1}})), "true or false"));
  CHECK(contains(error_of(small("llama", {{"rope_theta", 0}})), "rope_theta > 0"));
  CHECK(contains(error_of(small("llama", {{"rope_scaling", "linear"}})), "rope_scaling"));
  CHECK(contains(error_of(small("llama", {{"rope_scaling", {{"type", "linear"}}}})),
                 "needs a factor"));
  CHECK(contains(error_of(small("llama", {{"attention_dropout", 1.5}})), "attention_dropout"));
  CHECK(contains(error_of(Json::array()), "expected a JSON object, got array"));
  CHECK_THROWS_AS(parse_config("{\"model_type\": "), Error);
  CHECK_THROWS_AS(parse_config(""), Error);
}
