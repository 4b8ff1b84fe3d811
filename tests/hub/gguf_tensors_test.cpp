// SPDX-License-Identifier: Apache-2.0
// Against transformers, for every family and type: tests/parity/gguf_model_parity.py.
#include "posttrain/hub/gguf_tensors.hpp"

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/storage/gguf.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

using Tensors = std::vector<std::pair<std::string, Tensor>>;

/// Writes fp32 tensors in a type.
void write(const io::fs::path& path, const io::GgufMetadata& metadata, const Tensors& tensors,
           io::GgufType type = io::GgufType::kF32) {
  std::vector<io::GgufTensorInfo> infos;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({name, tensor.dim() > 1 ? type : io::GgufType::kF32, tensor.sizes().vec()});
  }
  io::GgufWriter writer(path, metadata, infos);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor values = tensors[i].second.to(at::kFloat).contiguous();
    std::vector<std::byte> bytes(infos[i].bytes());
    quantize_gguf(infos[i].type,
                  {values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel())},
                  bytes);
    writer.write(infos[i].name, bytes);
  }
  writer.finish();
}

hub::GgufTensors opened(const io::fs::path& path, const char* config) {
  return {std::make_shared<const io::GgufModel>(path), models::parse_config(config)};
}

Tensor numbers(std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::arange(count, at::kFloat).view(shape);
}

/// A Llama of one layer with a byte-level tokenizer of a few tokens.
void write_llama(const io::fs::path& path, io::GgufType type = io::GgufType::kF32) {
  io::GgufMetadata metadata;
  metadata.text("general.architecture", "llama");
  for (const auto& [key, value] : {std::pair("block_count", 1U),
                                   {"context_length", 64U},
                                   {"embedding_length", 32U},
                                   {"feed_forward_length", 64U},
                                   {"attention.head_count", 4U},
                                   {"attention.head_count_kv", 2U}}) {
    metadata.u32(std::string("llama.") + key, value);
  }
  metadata.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  metadata.text("tokenizer.ggml.model", "gpt2");
  metadata.text("tokenizer.ggml.pre", "gpt-2");
  metadata.texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<|end|>", "<|user|>"});
  metadata.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 3, 4});
  metadata.texts("tokenizer.ggml.merges", {"a b"});
  metadata.u32("tokenizer.ggml.eos_token_id", 3);
  metadata.text("tokenizer.chat_template",
                "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}");
  metadata.text("tokenizer.chat_template.tool_use", "{{ messages }}<|end|>");
  const auto weight = [](std::vector<std::int64_t> shape, std::uint64_t seed) {
    return kernel_test::normal(shape, seed).to(at::kFloat);
  };
  write(path, metadata,
        {{"token_embd.weight", weight({5, 32}, 1)},
         {"output_norm.weight", weight({32}, 2)},
         {"blk.0.attn_norm.weight", weight({32}, 3)},
         {"blk.0.attn_q.weight", weight({32, 32}, 4)},
         {"blk.0.attn_k.weight", weight({16, 32}, 5)},
         {"blk.0.attn_v.weight", weight({16, 32}, 6)},
         {"blk.0.attn_output.weight", weight({32, 32}, 7)},
         {"blk.0.ffn_norm.weight", weight({32}, 8)},
         {"blk.0.ffn_gate.weight", weight({64, 32}, 9)},
         {"blk.0.ffn_up.weight", weight({64, 32}, 10)},
         {"blk.0.ffn_down.weight", weight({32, 64}, 11)}},
        type);
}

}  // namespace

TEST_CASE("tensors of a GGUF file come in the form that transformers has", "[hub]") {
  const TempFolder scratch;
  const Tensor q = numbers({8, 2});  // two heads of four rows
  write(scratch / "llama.gguf", {},
        {{"blk.0.attn_q.weight", q},
         {"token_embd.weight", numbers({3, 4})},
         {"rope_freqs.weight", numbers({2})},
         {"blk.0.other", numbers({1})}});
  const hub::GgufTensors llama =
      opened(scratch / "llama.gguf",
             R"({"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2})");
  // Rows 0, 1, 2, 3 of a head lie there as pairs (0, 2), (1, 3).
  CHECK(at::equal(llama.load("model.layers.0.self_attn.q_proj.weight"),
                  at::index_select(q, 0, at::tensor({0, 2, 1, 3, 4, 6, 5, 7}, at::kLong))));
  CHECK(at::equal(llama.load("model.embed_tokens.weight"), numbers({3, 4})));
  CHECK(llama.entries().contains("blk.0.other"));  // to be told that nobody loads it
  CHECK(llama.entries().size() == 3);

  write(scratch / "gemma.gguf", {}, {{"output_norm.weight", numbers({4})}});
  const hub::GgufTensors gemma = opened(scratch / "gemma.gguf", R"({"model_type": "gemma2"})");
  CHECK(at::equal(gemma.load("model.norm.weight"), numbers({4}) - 1));

  write(scratch / "gpt2.gguf", {},
        {{"blk.0.ffn_up.weight", numbers({6, 4})}, {"blk.0.ffn_up.bias", numbers({6})}});
  const hub::GgufTensors gpt2 =
      opened(scratch / "gpt2.gguf", R"({"model_type": "gpt2", "n_layer": 1})");
  CHECK(gpt2.entries().at("transformer.h.0.mlp.c_fc.weight").shape ==
        std::vector<std::int64_t>{4, 6});
  CHECK(at::equal(gpt2.load("transformer.h.0.mlp.c_fc.weight"), numbers({6, 4}).t()));
  CHECK(at::equal(gpt2.load("transformer.h.0.mlp.c_fc.bias"), numbers({6})));
  CHECK(gpt2.file("transformer.h.0.mlp.c_fc.bias") == (scratch / "gpt2.gguf").string());

  write(scratch / "odd.gguf", {}, {{"blk.0.attn_q.weight", numbers({6, 2})}});
  CHECK(
      contains(error_of([&] {
                 opened(scratch / "odd.gguf",
                        R"({"model_type": "llama", "num_hidden_layers": 1,
                              "num_attention_heads": 2})");
               }),
               "tensor 'blk.0.attn_q.weight': expected 2 heads of an even number of rows, got 6"));
}

TEST_CASE("half precision is kept, blocks become fp32, content tells them apart", "[hub]") {
  const TempFolder scratch;
  const Tensor w = kernel_test::normal({70, 64}, 1).to(at::kFloat);
  const char* config = R"({"model_type": "llama", "num_hidden_layers": 1})";
  const auto hash = [](const hub::GgufTensors& tensors) {
    ContentHash content;
    tensors.add_content(content, "model.embed_tokens.weight");
    return content.text();
  };
  std::set<std::string> hashes;
  for (const auto& [type, dtype] : {std::pair(io::GgufType::kF32, at::kFloat),
                                    {io::GgufType::kF16, at::kHalf},
                                    {io::GgufType::kBF16, at::kBFloat16},
                                    {io::GgufType::kQ8_0, at::kFloat}}) {
    write(scratch / "x.gguf", {}, {{"token_embd.weight", w}, {"output_norm.weight", w}}, type);
    const hub::GgufTensors tensors = opened(scratch / "x.gguf", config);
    const Tensor loaded = tensors.load("model.embed_tokens.weight");
    CHECK(loaded.scalar_type() == dtype);
    CHECK(*io::scalar_type(tensors.entries().at("model.embed_tokens.weight").dtype) == dtype);
    CHECK((loaded.to(at::kFloat) - w).abs().max().item<double>() < 0.02);
    CHECK(tensors.same_content("model.embed_tokens.weight", "model.norm.weight"));
    hashes.insert(hash(tensors));
  }
  CHECK(hashes.size() == 4);
}

TEST_CASE("matrices in blocks come as the file has them, rows in the model's order", "[hub]") {
  const TempFolder scratch;
  const Tensor w = kernel_test::normal({64, 64}, 1).to(at::kFloat);
  const char* config =
      R"({"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2})";
  const char* kQuery = "model.layers.0.self_attn.q_proj.weight";
  const char* kValue = "model.layers.0.self_attn.v_proj.weight";
  for (const auto type : {io::GgufType::kF16, io::GgufType::kQ4_0, io::GgufType::kQ8_0}) {
    write(scratch / "x.gguf", {},
          {{"blk.0.attn_q.weight", w}, {"blk.0.attn_v.weight", w}, {"output_norm.weight", w[0]}},
          type);
    const hub::GgufTensors tensors = opened(scratch / "x.gguf", config);
    CHECK(tensors.load_packed("model.norm.weight").empty());
    for (const char* name : {kQuery, kValue}) {
      const auto matrix = unpack_gguf(name, tensors.load_packed(name));
      REQUIRE(matrix.has_value() == (type != io::GgufType::kF16));
      if (!matrix) continue;
      CHECK(matrix->type == type);
      Tensor values = at::empty({64, 64});
      matrix->write(values);
      CHECK(at::equal(values, tensors.load(name)));
    }
  }
}

TEST_CASE("a GGUF file opens as a folder does and is saved as one", "[hub]") {
  const TempFolder scratch;
  const std::string path = (scratch / "model.gguf").string();
  write_llama(path, io::GgufType::kQ8_0);
  const hub::PretrainedDecoder model(path);
  CHECK(model.config().model_type == "llama");
  CHECK(model.config().tied);
  CHECK(model.folder() == path);
  CHECK(model.file_of("model.norm.weight") == path);
  REQUIRE(model.text() != nullptr);
  CHECK(model.text()->tokenizer().encode("abba<|end|>") == TokenIds{2, 1, 0, 3});
  CHECK(model.text()->eos_ids().contains(3));
  const auto state = Frozen{}.attach(model);
  model.check_all_loaded();
  // The matrices as they lie in the file, 34 bytes for 32 values; embedding and norms dense.
  const auto kept = BasicFrozen<Gguf>{}.attach(model);
  CHECK(kept.bytes() == (3 * 32 * 32 + 3 * 64 * 32) / 32 * 34 + 4 * (5 * 32 + 3 * 32));
  for (const NamedTensor& weight : state.weights()) {
    CHECK(at::equal(kept.weight(weight.name), weight.value));
  }

  const std::string folder = (scratch / "saved").string();
  model.check_save(folder);
  model.save(folder, state.weights());
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "additional_chat_templates/tool_use.jinja", "model.safetensors"}) {
    INFO(name);
    CHECK(io::fs::exists(scratch / "saved" / name));
  }
  const hub::PretrainedDecoder again(folder);
  CHECK(again.text()->tokenizer().encode("abba<|end|>") == TokenIds{2, 1, 0, 3});
  const auto same = Frozen{}.attach(again);
  for (const NamedTensor& weight : state.weights()) {
    CHECK(at::equal(same.weight(weight.name), weight.value));
  }
  CHECK(hub::PretrainedDecoder(path).content().text() == model.content().text());
  const std::string other = (scratch / "other.gguf").string();
  write_llama(other, io::GgufType::kQ4_0);
  CHECK(hub::PretrainedDecoder(other).content().text() != model.content().text());

  // A file that is none.
  CHECK(contains(error_of([&] { hub::PretrainedDecoder(scratch.write("text.gguf", "hello")); }),
                 "expected a GGUF file"));
  CHECK(contains(error_of([&] { hub::PretrainedDecoder((scratch / "none.gguf").string()); }),
                 "none.gguf"));
}
