// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/granite.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::HeadKind;
using posttrain::models::parse_config;

namespace {

// granite-3.0-2b-base.
const char* const kPublished = R"({
  "architectures": ["GraniteForCausalLM"], "attention_bias": false, "attention_dropout": 0.1,
  "attention_multiplier": 0.015625, "bos_token_id": 0, "embedding_multiplier": 12.0,
  "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 8192, "logits_scaling": 8.0, "max_position_embeddings": 4096,
  "mlp_bias": false, "model_type": "granite", "num_attention_heads": 32,
  "num_hidden_layers": 40, "num_key_value_heads": 8, "pad_token_id": 0,
  "residual_multiplier": 0.22, "rms_norm_eps": 1e-05, "rope_scaling": null,
  "rope_theta": 10000.0, "tie_word_embeddings": true, "torch_dtype": "float32",
  "transformers_version": "4.46.0.dev0", "use_cache": true, "vocab_size": 49155})";

}  // namespace

TEST_CASE("Granite's multipliers go to embedding, residuals, scores and logits") {
  const auto config = read_config(Json::parse(kPublished));
  CHECK(config.embedding_scale == 12.0);
  CHECK(config.lookup_scale == 1.0);
  CHECK(config.residual_scale == 0.22);
  CHECK(config.attention_scale == 1.0 / 64.0);  // 1 / head_dim, not its root
  CHECK(config.logit_scale == 1.0 / 8.0);
  CHECK(config.padding_id == 0);
  // The family's own defaults, not those of Llama's attention.
  CHECK(read_config(small_config("granite")).attention_scale == 1.0);
}

TEST_CASE("a Granite refuses a multiplier that it does not know, and a reward head") {
  CHECK_THAT(refusal_of(changed(kPublished, {{"logits_scaling", 0.0}})),
             Catch::Contains("expected logits_scaling > 0, got 0"));
  CHECK_THAT(refusal_of(changed(kPublished, {{"mup_multiplier", 2.0}})),
             Catch::Contains("key \"mup_multiplier\" = 2.0"));
  CHECK_THROWS_WITH(parse_config(kPublished, HeadKind::kReward),
                    Catch::Contains("no reward model of model_type \"granite\""));
}
