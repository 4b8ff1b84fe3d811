// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/parse.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;

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
