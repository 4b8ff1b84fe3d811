// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/parse.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/json_mutations.hpp"
#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
namespace models = posttrain::models;

TEST_CASE("A config.json that nests too deeply is one line") {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK_THROWS_WITH(
      posttrain::models::parse_config(R"({"model_type": "llama", "zzz": )" + deep + "}"),
      Catch::Contains("config.json: expected JSON that nests at most 500 deep"));
}

TEST_CASE("an unknown architecture is an error that lists the supported ones") {
  const auto message = refusal_of({{"model_type", "mamba"}});
  CHECK(contains(message, "model_type \"mamba\""));
  CHECK(contains(message,
                 "llama, mistral, qwen2, qwen3, smollm3, granite, phi3, gemma2, "
                 "gemma3_text, gpt2"));
  CHECK(contains(refusal_of(Json::object()), "is not supported"));
  CHECK(contains(
      refusal_of(small_config("llama", {{"architectures", {"LlamaForTokenClassification"}}})),
      "only LlamaForCausalLM"));
}

TEST_CASE("a key that is not understood is an error that names it") {
  CHECK(contains(refusal_of(small_config("llama", {{"residual_multiplier", 0.2}})),
                 "\"residual_multiplier\" = 0.2"));
  CHECK(contains(refusal_of(small_config("llama", {{"quantization_config", {{"bits", 4}}}})),
                 "quantised weights are not supported"));
  const Json nf4{
      {"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
  CHECK(refusal_of(small_config("llama", {{"quantization_config", nf4}})).empty());
  Json fp4 = nf4;
  fp4["bnb_4bit_quant_type"] = "fp4";
  CHECK(contains(refusal_of(small_config("llama", {{"quantization_config", fp4}})),
                 "quantised weights are not supported"));
  CHECK(contains(refusal_of(small_config("llama", {{"sliding_window", 8}})), "sliding_window"));
  CHECK(contains(refusal_of(small_config("qwen2", {{"use_mrope", true}})), "use_mrope"));
  CHECK(refusal_of(small_config("qwen2", {{"use_mrope", false}})).empty());
  CHECK(refusal_of(small_config("llama", {{"sliding_window", nullptr}})).empty());
  CHECK(refusal_of(small_config("llama", {{"torch_dtype", "bfloat16"}, {"_name_or_path", "x"}}))
            .empty());
  CHECK(contains(refusal_of(small_config("llama", {{"partial_rotary_factor", 0.5}})),
                 "expected partial_rotary_factor 1 for this family, got 0.5"));
  CHECK(
      contains(refusal_of(small_config(
                   "llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"beta", 1}}}})),
               "rope_scaling: key \"beta\""));
  CHECK(contains(refusal_of(small_config("llama", {{"rope_scaling", {{"type", "mrope"}}}})),
                 "rope type \"mrope\" is not supported"));
  CHECK(contains(refusal_of(small_config("gemma3_text", {{"use_bidirectional_attention", true}})),
                 "use_bidirectional_attention"));
}

TEST_CASE("whatever stands in a config.json, it is read or one line says what is wrong") {
  const std::vector<Json> configs{
      small_config("llama", {{"quantization_config",
                              {{"quant_method", "bitsandbytes"},
                               {"load_in_4bit", true},
                               {"bnb_4bit_quant_type", "nf4"},
                               {"bnb_4bit_quant_storage", "uint8"},
                               {"llm_int8_skip_modules", {"lm_head"}}}},
                             {"architectures", {"LlamaForCausalLM"}},
                             {"rope_scaling",
                              {{"rope_type", "llama3"},
                               {"factor", 8.0},
                               {"low_freq_factor", 1.0},
                               {"high_freq_factor", 4.0},
                               {"original_max_position_embeddings", 32}}}}),
      small_config("gemma3_text", {{"layer_types",
                                    {"full_attention", "sliding_attention", "sliding_attention",
                                     "full_attention"}},
                                   {"rope_parameters",
                                    {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}}},
                                     {"sliding_attention", {{"rope_theta", 1e4}}}}}})};
  for (const Json& config : configs) {
    REQUIRE(refusal_of(config).empty());
    int refused = 0;
    each_mutation(config, [&](const Json& changed, const std::string& key) {
      INFO(key << " in " << changed.dump(-1, ' ', true).substr(0, 2000));
      const std::string error = error_of([&] {
        models::parse_config(changed.dump(), models::HeadKind::kTokens, "m/config.json");
      });
      check_helpful(error, "m/config.json: ");
      refused += error.empty() ? 0 : 1;
    });
    CHECK(refused > 100);
  }
  CHECK(refusal_of(small_config("llama",
                                {{"quantization_config",
                                  {{"load_in_4bit", "yes"}, {"quant_method", "bitsandbytes"}}}})) ==
        "config.json: quantization_config: expected load_in_4bit to be true or false, got "
        "\"yes\"");
}
