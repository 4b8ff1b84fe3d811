// SPDX-License-Identifier: Apache-2.0
// PretrainedDecoder::save_gguf. In llama.cpp: tests/parity/gguf_llama_parity.py.
#include <nlohmann/json.hpp>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/gguf.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/storage/gguf.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/named_tensors.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;
using namespace posttrain::test;
using hub::PretrainedDecoder;

namespace {

constexpr const char* kLlama = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 300,
  "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
  "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": true})";

/// A model of random weights, with a tokenizer.
PretrainedDecoder drawn(const TempFolder& scratch, std::string config = kLlama,
                        models::ModelOptions options = {.seed = 3}) {
  io::fs::create_directories(scratch / "model");
  scratch.write("model/config.json", config);
  scratch.write("model/tokenizer.json", byte_level({"h e", "l l"}, {"<s>", "</s>"}).dump());
  return PretrainedDecoder::from_scratch((scratch / "model").string(), options);
}

std::map<std::string, io::GgufType> types_of(const std::string& path) {
  const io::GgufModel model(path);
  std::map<std::string, io::GgufType> types;
  for (const auto& [name, entry] : model.tensors()) types[name] = entry.tensor->type;
  return types;
}

std::string bytes_of(const io::GgufModel& model, const std::string& name) {
  const auto bytes = model.find(name)->tensor->bytes;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("a folder becomes a GGUF file and a folder again, without a change", "[hub]") {
  const TempFolder scratch;
  const std::string file = (scratch / "out.gguf").string(), back = (scratch / "back").string();
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const PretrainedDecoder model = drawn(scratch, kLlama, {.dtype = dtype, .seed = 3});
    const auto weights = Frozen{}.attach(model).weights();
    model.save_gguf(file, weights);
    CHECK(types_of(file).at("blk.0.attn_q.weight") ==
          (dtype == at::kFloat ? GgufType::kF32 : GgufType::kBF16));
    CHECK(types_of(file).at("blk.0.attn_norm.weight") == GgufType::kF32);
    const PretrainedDecoder opened(file, {.dtype = dtype});
    REQUIRE(opened.text() != nullptr);
    CHECK(opened.text()->tokenizer().encode("Hello, 123") ==
          model.text()->tokenizer().encode("Hello, 123"));
    opened.save(back, Frozen{}.attach(opened).weights());
    opened.check_all_loaded();
    const auto again = Frozen{}.attach(PretrainedDecoder(back, {.dtype = dtype})).weights();
    REQUIRE(again.size() == weights.size());
    for (const NamedTensor& weight : weights) {
      INFO(weight.name);
      CHECK(at::equal(named(again, weight.name), weight.value));
    }
  }
  const Json before = Json::parse(slurp(scratch / "model/config.json"));
  const Json after = Json::parse(slurp(scratch / "back/config.json"));
  for (const auto& [key, value] : before.items()) {
    INFO(key);
    CHECK(after.at(key) == value);
  }
}

TEST_CASE("a model is written in four bits and opened again", "[hub]") {
  const TempFolder scratch;
  drawn(scratch).save((scratch / "folder").string(), Frozen{}.attach(drawn(scratch)).weights());
  const std::string folder = (scratch / "folder").string(), file = (scratch / "out.gguf").string();
  // [snippet: save]
  const hub::PretrainedDecoder model(folder);
  const auto state = Lora{.rank = 4}.attach(model);
  // … train …
  model.save_gguf(file, state.weights(), GgufType::kQ4_0);
  const hub::PretrainedDecoder again(file);
  // [/snippet]
  CHECK(again.config().num_layers() == model.config().num_layers());
}

TEST_CASE("every type that is written, the head with at least eight bits", "[hub]") {
  const TempFolder scratch;
  const std::string file = (scratch / "out.gguf").string();
  const PretrainedDecoder model = drawn(scratch);
  const auto weights = Frozen{}.attach(model).weights();
  for (const io::GgufTypeInfo& info : io::kGgufTypes) {
    INFO(info.name);
    if (!is_quantizable_gguf(info.type)) {
      CHECK_THROWS_WITH(model.save_gguf(file, weights, info.type),
                        Catch::Contains("is read, not written"));
      continue;
    }
    model.save_gguf(file, weights, info.type);
    const auto types = types_of(file);
    CHECK(types.at("blk.1.ffn_up.weight") == info.type);
    CHECK(types.at("token_embd.weight") == (info.block == 1 ? info.type : GgufType::kQ8_0));
    const PretrainedDecoder opened(file);
    const auto kept = BasicFrozen<Gguf>{}.attach(opened);
    const BasicFrozen<Gguf> stored{.storage = {.type = info.type}};
    const auto direct = stored.attach(model);
    for (const char* name :
         {"model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"}) {
      CHECK(at::equal(Frozen{}.attach(opened).weight(name), direct.weight(name)));
      if (info.block > 1) CHECK(at::equal(kept.weight(name), direct.weight(name)));
    }
  }
}

TEST_CASE("what training left alone keeps the file's bytes", "[hub]") {
  const TempFolder scratch;
  const std::string first = (scratch / "first.gguf").string();
  const std::string second = (scratch / "second.gguf").string();
  const PretrainedDecoder folder = drawn(scratch);
  folder.save_gguf(first, Frozen{}.attach(folder).weights(), GgufType::kQ4_1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const PretrainedDecoder model(first, {.dtype = dtype});
    auto state =
        BasicLora<Gguf>{.rank = 2, .target_modules = "layers.1.self_attn.q_proj"}.attach(model);
    disturb(state);
    model.save_gguf(second, state.weights());
    auto types = types_of(first);
    CHECK(types.at("blk.1.attn_q.weight") == GgufType::kQ4_1);
    types["blk.1.attn_q.weight"] = GgufType::kQ8_0;
    CHECK((types_of(second) == types));
    const io::GgufModel before(first), after(second);
    for (const auto& entry : before.tensors()) {
      INFO(entry.first);
      const bool same = bytes_of(before, entry.first) == bytes_of(after, entry.first);
      CHECK(same == (entry.first != "blk.1.attn_q.weight"));
    }
    CHECK(after.text("general.name") == before.text("general.name"));
    CHECK(after.texts("tokenizer.ggml.tokens") == before.texts("tokenizer.ggml.tokens"));
    CHECK(after.integer("general.file_type") == 3);
  }
  // The opened file may be the one that is written.
  const PretrainedDecoder model(first);
  model.save_gguf(first, Frozen{}.attach(model).weights(), GgufType::kF16);
  CHECK(types_of(first).at("blk.0.ffn_up.weight") == GgufType::kF16);
}

TEST_CASE("a type that would undo the training is refused, and nothing is written", "[hub]") {
  const TempFolder scratch;
  const std::string first = (scratch / "first.gguf").string();
  const std::string second = (scratch / "second.gguf").string();
  const PretrainedDecoder folder = drawn(scratch);
  folder.save_gguf(first, Frozen{}.attach(folder).weights(), GgufType::kQ4_1);
  const PretrainedDecoder model(first);
  const auto trained = [&](double size) {
    auto state = Lora{.rank = 2}.attach(model);
    disturb(state, size);
    return state.weights();
  };
  const auto small = trained(2e-4), large = trained(1.0);
  CHECK_THROWS_WITH(
      model.save_gguf(second, small, GgufType::kQ4_1),
      Catch::Contains("% would be left in Q4_1: its steps are larger than the changes"));
  CHECK_FALSE(io::fs::exists(second));
  CHECK_NOTHROW(model.save_gguf(second, small, GgufType::kQ8_0));
  CHECK_NOTHROW(model.save_gguf(second, large, GgufType::kQ4_1));
  CHECK_NOTHROW(model.save_gguf(second, Frozen{}.attach(model).weights(), GgufType::kQ4_1));
}

TEST_CASE("a head that became a matrix of its own is written as one", "[hub]") {
  const TempFolder scratch;
  const std::string file = (scratch / "out.gguf").string();
  const PretrainedDecoder model = drawn(scratch);
  auto state = Lora{.rank = 2, .target_modules = "lm_head"}.attach(model);
  disturb(state);
  model.save_gguf(file, state.weights());
  const PretrainedDecoder opened(file);
  CHECK_FALSE(opened.config().tied);
  CHECK(at::equal(Frozen{}.attach(opened).weight("lm_head.weight"),
                  named(state.weights(), "lm_head.weight")));
}

TEST_CASE("a model that GGUF has no word for is refused, and nothing is written", "[hub]") {
  const TempFolder scratch;
  const std::string file = (scratch / "out.gguf").string();
  std::string config = kLlama;
  config.insert(config.find("\"vocab_size\""), R"("hidden_act": "gelu", )");
  const PretrainedDecoder model = drawn(scratch, config);
  CHECK_THROWS_WITH(model.save_gguf(file, Frozen{}.attach(model).weights()),
                    Catch::Contains("GGUF has no word for this model's activation"));
  CHECK_THROWS_WITH(model.check_save_gguf(file), Catch::Contains("this model's activation"));
  CHECK_FALSE(io::fs::exists(file));
  CHECK_NOTHROW(drawn(scratch).check_save_gguf(file));
  CHECK_THROWS_WITH(drawn(scratch).check_save_gguf((scratch / "none/x.gguf").string()),
                    Catch::Contains("none"));
  CHECK(std::distance(io::fs::directory_iterator(scratch.path()), {}) == 1);  // the model
}
