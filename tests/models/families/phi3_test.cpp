// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/phi3.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::Naming;

namespace {

// Phi-3-mini-4k-instruct.
const char* const kPublished = R"({
  "_name_or_path": "Phi-3-mini-4k-instruct", "architectures": ["Phi3ForCausalLM"],
  "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1, "embd_pdrop": 0.0,
  "eos_token_id": 32000, "hidden_act": "silu", "hidden_size": 3072, "initializer_range": 0.02,
  "intermediate_size": 8192, "max_position_embeddings": 4096, "model_type": "phi3",
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
  "original_max_position_embeddings": 4096, "pad_token_id": 32000, "resid_pdrop": 0.0,
  "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "sliding_window": 2047,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.40.2",
  "use_cache": true, "vocab_size": 32064})";

}  // namespace

TEST_CASE("Phi-3 fuses its matrices, slides in every layer and pads with its last token") {
  const auto config = read_config(Json::parse(kPublished));
  CHECK(config.naming == Naming::kPhi3);
  CHECK(config.head_dim == 96);
  CHECK(config.ropes.at(0).rotary_dim == 96);
  CHECK(windows_of(config) == std::vector<std::int64_t>(32, 2047));
  CHECK(config.padding_id == 32000);
  CHECK(
      read_config(changed(kPublished, {{"partial_rotary_factor", 0.75}})).ropes.at(0).rotary_dim ==
      72);
}

TEST_CASE("a Phi-3 of another computation is refused") {
  CHECK_THAT(refusal_of(changed(kPublished, {{"full_attn_mod", 2}})),
             Catch::Contains("full_attn_mod = 2 is not supported, only 1"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"interpolate_factor", 4}})),
             Catch::Contains("interpolate_factor = 4 is not supported, only 1"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"blocksparse_num_local_blocks", 16}})),
             Catch::Contains("key \"blocksparse_num_local_blocks\""));
}
