// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/smollm.hpp"

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;

namespace {

// SmolLM3-3B-Base.
const char* const kPublished = R"({
  "architectures": ["SmolLM3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": null, "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 2048,
  "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 65536,
  "model_type": "smollm3", "no_rope_layer_interval": 4, "num_attention_heads": 16,
  "num_hidden_layers": 36, "num_key_value_heads": 4, "pad_token_id": 128004,
  "pretraining_tp": 2, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 5000000.0,
  "sliding_window": null, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "use_cache": true, "use_sliding_window": false, "vocab_size": 128256})";

}  // namespace

TEST_CASE("every fourth layer of SmolLM3 rotates nothing") {
  const auto config = read_config(Json::parse(kPublished));
  const std::vector<int> ropes = ropes_of(config);
  REQUIRE(ropes.size() == 36);
  for (std::size_t i = 0; i < ropes.size(); ++i) CHECK(ropes[i] == (i % 4 == 3 ? -1 : 0));
  CHECK(config.tied);
  CHECK(config.padding_id == 128004);
  CHECK(config.ropes.at(0).theta == 5000000.0);
  CHECK(windows_of(config) == std::vector<std::int64_t>(36, 0));
}

TEST_CASE(
    "a list of SmolLM3's layers wins over the interval; windows go to those without rotation") {
  const Json list = {{"no_rope_layers", {0, 1, 1, 0}}, {"no_rope_layer_interval", 2}};
  CHECK(ropes_of(read_config(small_config("smollm3", list))) == std::vector<int>{-1, 0, 0, -1});
  const Json sliding = {{"use_sliding_window", true}, {"sliding_window", 8}};
  CHECK(windows_of(read_config(small_config("smollm3", sliding))) ==
        std::vector<std::int64_t>{0, 0, 0, 8});
  CHECK_THAT(refusal_of(small_config("smollm3", {{"no_rope_layers", {0, 1}}})),
             Catch::Contains("expected no_rope_layers to have 4 entries, got 2"));
  CHECK_THAT(refusal_of(small_config("smollm3", {{"partial_rotary_factor", 0.5}})),
             Catch::Contains("expected partial_rotary_factor 1 for this family"));
}
