// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/gguf/metadata.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/io/json.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/models/gguf/config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

/// What a file with this configuration's metadata, and the tensors that say something of it, is
/// read as.
models::DecoderConfig through_gguf(const models::DecoderConfig& config, const std::string& text) {
  io::GgufMetadata metadata;
  const models::GgufFactors factors = models::add_gguf_config(metadata, config, text);
  std::vector<io::GgufTensorInfo> infos;
  const auto add = [&](const char* name, std::vector<std::int64_t> shape) {
    infos.push_back({name, io::GgufType::kF32, std::move(shape)});
  };
  add("token_embd.weight", {config.vocab_size, config.hidden_size});
  if (!config.tied) add("output.weight", {config.vocab_size, config.hidden_size});
  if (config.qkv_bias) add("blk.0.attn_q.bias", {config.num_heads * config.head_dim});
  if (config.mlp_bias) add("blk.0.ffn_up.bias", {config.intermediate_size});
  for (const auto& [name, values] : factors) add(name.c_str(), {std::ssize(values)});
  const TempFolder scratch;
  io::GgufWriter writer(scratch / "x.gguf", metadata, infos);
  for (const auto& [name, values] : factors) writer.write(name, std::as_bytes(std::span(values)));
  return models::parse_config(models::gguf_config(io::GgufModel(writer.unfinished())));
}

Json small(const char* type) {
  return {{"model_type", type},       {"vocab_size", 20},
          {"hidden_size", 32},        {"intermediate_size", 48},
          {"num_hidden_layers", 6},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 256}};
}

/// The complaint about a configuration, or nothing.
std::string refused(const Json& json) {
  const std::string text = json.dump();
  const models::DecoderConfig config = models::parse_config(text);
  return error_of([&] { models::check_gguf_config(config, through_gguf(config, text), "x.gguf"); });
}

Json with(Json json, const Json& more) {
  json.update(more);
  return json;
}

}  // namespace

TEST_CASE("what GGUF can say of a model comes back", "[models]") {
  const Json factors = {1.0, 1.5, 2.0, 2.5}, longer = {2.0, 3.0, 4.0, 5.0};
  const Json yarn = {{"rope_type", "yarn"},
                     {"factor", 4.0},
                     {"beta_fast", 20.0},
                     {"original_max_position_embeddings", 64}};
  for (const Json& json : std::vector<Json>{
           small("llama"),
           with(small("llama"), {{"tie_word_embeddings", true}, {"attention_bias", true}}),
           with(small("llama"), {{"initializer_range", 0.5},
                                 {"mlp_bias", true},
                                 {"rms_norm_eps", 1e-5},
                                 {"head_dim", 16}}),
           with(small("llama"), {{"rope_theta", 1e6},
                                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}}}),
           with(small("llama"), {{"rope_scaling", yarn}}),
           with(small("llama"),
                {{"rope_scaling", with(yarn, {{"attention_factor", 1.5}, {"beta_slow", 2.0}})}}),
           with(small("llama"), {{"rope_scaling",
                                  {{"rope_type", "llama3"},
                                   {"factor", 8.0},
                                   {"low_freq_factor", 1.0},
                                   {"high_freq_factor", 4.0},
                                   {"original_max_position_embeddings", 8192}}}}),
           with(small("llama"), {{"rope_scaling",  // as factors of any other kind
                                  {{"rope_type", "llama3"},
                                   {"factor", 4.0},
                                   {"low_freq_factor", 1.0},
                                   {"high_freq_factor", 3.0},
                                   {"original_max_position_embeddings", 64}}}}),
           with(small("mistral"), {{"sliding_window", nullptr}}),
           small("qwen2"),
           with(small("qwen3"), {{"head_dim", 16}}),
           small("smollm3"),
           with(small("granite"), {{"attention_multiplier", 0.3},
                                   {"embedding_multiplier", 12.0},
                                   {"residual_multiplier", 0.22},
                                   {"logits_scaling", 6.0}}),
           with(small("phi3"), {{"pad_token_id", 1}, {"sliding_window", 32}}),
           with(small("phi3"),
                {{"pad_token_id", 1},
                 {"original_max_position_embeddings", 64},
                 {"rope_scaling",
                  {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", longer}}}}),
           with(small("gemma2"),
                {{"head_dim", 16}, {"query_pre_attn_scalar", 16}, {"sliding_window", 64}}),
           with(small("gemma3_text"),
                {{"head_dim", 16}, {"query_pre_attn_scalar", 16}, {"sliding_window", 64}}),
           with(small("gemma3_text"),
                {{"head_dim", 16},
                 {"query_pre_attn_scalar", 16},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}}),
           Json{{"model_type", "gpt2"},
                {"vocab_size", 20},
                {"n_embd", 32},
                {"n_layer", 2},
                {"n_head", 4},
                {"n_positions", 64}},
       }) {
    INFO(json.dump());
    CHECK(refused(json) == "");
  }
}

TEST_CASE("what GGUF has no word for is refused by name", "[models]") {
  CHECK(refused(with(small("mistral"), {{"sliding_window", 64}})) ==
        "x.gguf: GGUF has no word for this model's window of layer 0 = 64 (it would be 0); hint: "
        "save a folder, which keeps everything");
  CHECK(contains(refused(with(small("llama"),
                              {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}})),
                 "rotary settings of layer 0"));
  CHECK(contains(refused(with(small("llama"), {{"hidden_act", "gelu"}})), "activation = "));
  CHECK(contains(refused(with(small("gemma2"), {{"head_dim", 16}, {"query_pre_attn_scalar", 64}})),
                 "attention_scale = 0.125 (it would be 0.25)"));
  CHECK(contains(refused(with(small("smollm3"), {{"no_rope_layer_interval", 3}})),
                 "rotary settings of layer 2"));
  CHECK(contains(error_of([] { models::gguf_architecture("mamba"); }), "\"mamba\""));
  CHECK(models::gguf_architecture("gemma3_text") == "gemma3");
  CHECK(models::gguf_architecture("mistral") == "llama");
}
