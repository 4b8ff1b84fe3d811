// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/gguf/config.hpp"

#include <nlohmann/json.hpp>
#include <numeric>

#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/models/families/parse.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

/// A file of an architecture with the keys that each has, and small tensors.
class SmallFile {
 public:
  explicit SmallFile(std::string architecture) : architecture_(std::move(architecture)) {
    metadata.text("general.architecture", architecture_);
    u32("block_count", 6);
    u32("context_length", 256);
    u32("embedding_length", 32);
    u32("feed_forward_length", 48);
    u32("attention.head_count", 4);
    if (architecture_ == "gpt2") {
      f32("attention.layer_norm_epsilon", 1e-5F);
    } else {
      u32("attention.head_count_kv", 2);
      f32("attention.layer_norm_rms_epsilon", 1e-6F);
      f32("rope.freq_base", 500000.0F);
    }
    tensor("token_embd.weight", {20, 32});
  }

  void u32(const std::string& key, std::uint32_t value) {
    metadata.u32(architecture_ + "." + key, value);
  }
  void f32(const std::string& key, float value) { metadata.f32(architecture_ + "." + key, value); }
  void text(const std::string& key, const std::string& value) {
    metadata.text(architecture_ + "." + key, value);
  }
  void tensor(const std::string& name, std::vector<std::int64_t> shape,
              std::vector<float> values = {}) {
    tensors_.push_back({{name, io::GgufType::kF32, std::move(shape)}, std::move(values)});
  }

  std::string config() const {
    const TempFolder scratch;
    std::vector<io::GgufTensorInfo> infos;
    for (const auto& [info, values] : tensors_) infos.push_back(info);
    io::GgufWriter writer(scratch / "model.gguf", metadata, infos);
    for (const auto& [info, values] : tensors_) {
      std::vector<float> all = values;
      all.resize(info.bytes() / sizeof(float));
      writer.write(info.name, std::as_bytes(std::span(all)));
    }
    writer.finish();
    return models::gguf_config(io::GgufModel(scratch / "model.gguf"));
  }
  Json json() const { return io::parse_json(config(), "config"); }
  models::DecoderConfig parsed() const { return models::parse_config(config()); }

  io::GgufMetadata metadata;

 private:
  std::string architecture_;
  std::vector<std::pair<io::GgufTensorInfo, std::vector<float>>> tensors_;
};

}  // namespace

TEST_CASE("a GGUF model of every architecture is a config.json that is read", "[models]") {
  for (const char* name :
       {"llama", "qwen2", "qwen3", "smollm3", "granite", "phi3", "gemma2", "gemma3"}) {
    INFO(name);
    const models::DecoderConfig config = SmallFile(name).parsed();
    CHECK(config.vocab_size == 20);
    CHECK(config.num_layers() == 6);
    CHECK(config.max_positions == 256);
    CHECK(config.hidden_size == 32);
    CHECK(config.intermediate_size == 48);
    CHECK(config.num_heads == 4);
    CHECK(config.num_kv_heads == 2);
    CHECK(config.head_dim == 8);
    CHECK(config.norm_eps == 1e-6);
    CHECK(config.tied);
    CHECK(config.padding_id == -1);
    CHECK(config.ropes[0].theta == 500000.0);
    CHECK(config.ropes[0].factor == 1.0);
  }
  const models::DecoderConfig gpt2 = SmallFile("gpt2").parsed();
  CHECK(gpt2.vocab_size == 20);
  CHECK(gpt2.num_layers() == 6);
  CHECK(gpt2.max_positions == 256);
  CHECK(gpt2.intermediate_size == 48);
  CHECK(gpt2.norm_eps == 1e-5);
  CHECK(gpt2.tied);
  CHECK(error_of([] { SmallFile("mamba").config(); })
            .find("\"mamba\" is not supported; supported: "
                  "llama, qwen2") != std::string::npos);
}

TEST_CASE("what the keys and tensors of a GGUF model say of its computation", "[models]") {
  SmallFile llama("llama");
  llama.u32("rope.dimension_count", 16);
  llama.tensor("output.weight", {20, 32});
  llama.tensor("blk.0.attn_q.bias", {64});
  llama.tensor("blk.0.ffn_up.bias", {48});
  llama.metadata.u32("tokenizer.ggml.bos_token_id", 3);
  llama.metadata.u32("tokenizer.ggml.eos_token_id", 4);
  llama.metadata.u32("tokenizer.ggml.padding_token_id", 5);
  CHECK(llama.json().at("bos_token_id") == 3);
  CHECK(llama.json().at("eos_token_id") == 4);
  CHECK(llama.json().at("pad_token_id").is_null());  // the tokenizer's, not the embedding's
  const models::DecoderConfig config = llama.parsed();
  CHECK_FALSE(config.tied);
  CHECK(config.head_dim == 16);
  CHECK(config.qkv_bias);
  CHECK(config.output_bias);
  CHECK(config.mlp_bias);

  SmallFile granite("granite");
  granite.f32("attention.scale", 0.015625F);
  granite.f32("embedding_scale", 12.0F);
  granite.f32("residual_scale", 0.22F);
  granite.f32("logit_scale", 8.0F);
  CHECK(granite.parsed().attention_scale == 0.015625);
  CHECK(granite.parsed().embedding_scale == 12.0);
  CHECK(granite.parsed().residual_scale == 0.22);
  CHECK(granite.parsed().logit_scale == 0.125);

  SmallFile qwen("qwen3");
  qwen.u32("attention.key_length", 12);
  qwen.u32("attention.value_length", 12);
  CHECK(qwen.parsed().head_dim == 12);

  SmallFile phi("phi3");
  CHECK(phi.parsed().layers[0].window == 0);
  phi.u32("attention.sliding_window", 64);
  phi.u32("rope.dimension_count", 6);
  CHECK(phi.parsed().layers[5].window == 64);
  CHECK(phi.parsed().ropes[0].rotary_dim == 6);

  SmallFile gemma("gemma2");
  gemma.u32("attention.key_length", 16);
  gemma.u32("attention.sliding_window", 32);
  gemma.f32("attn_logit_softcapping", 40.0F);
  const models::DecoderConfig gemma2 = gemma.parsed();
  CHECK(gemma2.attention_scale == 0.25);
  CHECK(gemma2.attention_softcap == 40.0);
  CHECK(gemma2.final_softcap == 30.0);
  for (std::size_t i = 0; i < 6; ++i) CHECK(gemma2.layers[i].window == (i % 2 == 0 ? 32 : 0));

  SmallFile gemma3("gemma3");
  gemma3.u32("attention.sliding_window", 32);
  gemma3.text("rope.scaling.type", "linear");
  gemma3.f32("rope.scaling.factor", 8.0F);
  gemma3.f32("final_logit_softcapping", 20.0F);
  const models::DecoderConfig text = gemma3.parsed();
  CHECK(text.final_softcap == 20.0);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(text.layers[i].window == (i == 5 ? 0 : 32));
    CHECK(text.layers[i].rope == (i == 5 ? 0 : 1));
  }
  CHECK(text.ropes[0].factor == 8.0);
  CHECK(text.ropes[1].factor == 1.0);
  CHECK(text.ropes[1].theta == 10000.0);
}

TEST_CASE("the models of 27 B that llama.cpp knows by their layers", "[models]") {
  for (const auto& [name, layers] : {std::pair("gemma2", 46U), {"gemma3", 62U}}) {
    io::GgufMetadata metadata;
    const std::string at = std::string(name) + ".";
    metadata.text("general.architecture", name);
    for (const auto& [key, value] : {std::pair("block_count", layers),
                                     {"context_length", 256U},
                                     {"embedding_length", 96U},
                                     {"feed_forward_length", 48U},
                                     {"attention.head_count", 4U},
                                     {"attention.head_count_kv", 2U},
                                     {"attention.key_length", 16U}}) {
      metadata.u32(at + key, value);
    }
    metadata.f32(at + "attention.layer_norm_rms_epsilon", 1e-6F);
    const TempFolder scratch;
    io::GgufWriter writer(scratch / "x.gguf", metadata,
                          {{"token_embd.weight", io::GgufType::kF32, {1, 96}}});
    writer.write("token_embd.weight", std::vector<std::byte>(384));
    writer.finish();
    const std::string config = models::gguf_config(io::GgufModel(scratch / "x.gguf"));
    CHECK(models::parse_config(config).attention_scale == 1.0 / std::sqrt(24.0));
  }
}

TEST_CASE("scalings of rotary positions as GGUF stores them", "[models]") {
  SmallFile yarn("qwen2");
  yarn.text("rope.scaling.type", "yarn");
  yarn.f32("rope.scaling.factor", 4.0F);
  yarn.u32("rope.scaling.original_context_length", 64);
  yarn.f32("rope.scaling.yarn_attn_factor", 0.9F);
  CHECK(yarn.json().at("rope_scaling") == Json({{"rope_type", "yarn"},
                                                {"factor", 4.0},
                                                {"original_max_position_embeddings", 64},
                                                {"attention_factor", 0.9}}));
  CHECK(yarn.parsed().ropes[0].attention_factor == 0.9);

  // Llama 3.1's factors, as its converter computes them.
  const models::rope::Llama3Scaling scaling{8.0, 1.0, 4.0, 8192.0};
  const std::vector<float> plain = models::rope::default_frequencies(64, 500000.0);
  const std::vector<float> scaled = models::rope::llama3_frequencies(64, 500000.0, scaling);
  std::vector<float> factors;
  for (std::size_t i = 0; i < plain.size(); ++i) factors.push_back(plain[i] / scaled[i]);
  SmallFile llama("llama");
  llama.u32("rope.dimension_count", 64);
  llama.tensor("rope_freqs.weight", {32}, factors);
  CHECK(llama.json().at("rope_scaling").at("rope_type") == "llama3");
  CHECK(llama.parsed().ropes[0].inv_freq == scaled);

  // Any others: the same frequencies at every length.
  SmallFile other("llama");
  std::iota(factors.begin(), factors.end(), 1.0F);
  other.u32("rope.dimension_count", 64);
  other.tensor("rope_freqs.weight", {32}, factors);
  const models::RopeSpec rope = other.parsed().ropes[0];
  CHECK(rope.attention_factor == 1.0);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(rope.inv_freq[i] == Approx(plain[i] / factors[i]).epsilon(1e-6));
  }
  CHECK(rope.at_length(100000) == rope.inv_freq);

  SmallFile phi("phi3");
  phi.u32("rope.scaling.original_context_length", 128);
  phi.tensor("rope_factors_short.weight", {4}, {1.0F, 1.1F, 1.2F, 1.3F});
  phi.tensor("rope_factors_long.weight", {4}, {2.0F, 3.0F, 4.0F, 5.0F});
  const models::RopeSpec longrope = phi.parsed().ropes[0];
  CHECK(longrope.original_length == 128);
  CHECK(longrope.attention_factor == Approx(std::sqrt(1 + std::log(2.0) / std::log(128.0))));
  CHECK(longrope.at_length(200) != longrope.at_length(128));
}

TEST_CASE("GGUF models that would be computed differently are refused", "[models][C23]") {
  const auto error = [](auto change, const char* name = "llama") {
    SmallFile file(name);
    change(file);
    return error_of([&] { file.config(); });
  };
  const auto contains = [](const char* text) { return Catch::Contains(text); };
  CHECK_THAT(error([](SmallFile& f) { f.u32("expert_count", 8); }),
             contains("key 'llama.expert_count' is of a model that is not supported"));
  CHECK(error([](SmallFile& f) { f.u32("expert_count", 0); }) == "");
  CHECK_THAT(error([](SmallFile& f) { f.u32("attention.sliding_window", 8); }),
             contains("key 'llama.attention.sliding_window' = 8 is not supported"));
  CHECK_THAT(error([](SmallFile& f) { f.u32("attention.value_length", 4); }),
             contains("expected keys and values of one size, got 8 and 4"));
  CHECK_THAT(error([](SmallFile& f) { f.u32("rope.dimension_count", 4); }, "qwen2"),
             contains("expected all 8 dimensions of a head to be rotated, got 4"));
  CHECK_THAT(error([](SmallFile& f) { f.text("rope.scaling.type", "longrope"); }, "qwen2"),
             contains("= \"longrope\" is not supported; supported: none, linear, yarn"));
  CHECK_THAT(error([](SmallFile& f) { f.tensor("rope_freqs.weight", {3}); }),
             contains("expected tensor 'rope_freqs.weight' to be 4 fp32 numbers"));
  io::GgufMetadata none;
  none.text("general.architecture", "llama");
  const TempFolder scratch;
  io::GgufWriter(scratch / "x.gguf", none, {}).finish();
  CHECK_THAT(error_of([&] { models::gguf_config(io::GgufModel(scratch / "x.gguf")); }),
             contains("x.gguf: missing key 'llama.embedding_length', a whole number"));
}
