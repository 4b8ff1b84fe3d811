// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/pretrained_decoder.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "posttrain/base/environment.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/storage/nf4.hpp"
#include "support/catch.hpp"
#include "support/folders.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;
using namespace posttrain::test;
using hub::PretrainedDecoder;
using posttrain::Json;

namespace {

/// A folder with a configuration and no weights.
std::string bare_folder(const TempFolder& scratch) {
  std::filesystem::create_directories(scratch / "bare");
  scratch.write("bare/config.json", R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 300,
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "eos_token_id": 2})");
  return scratch / "bare";
}

/// Sets a variable of the environment for its lifetime.
struct Variable {
  const char* name;
  std::optional<std::string> before = Environment().find(name);
  Variable(const char* variable, const std::string& value) : name(variable) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { before ? ::setenv(name, before->c_str(), 1) : ::unsetenv(name); }
};

Json json_of(const std::filesystem::path& file) { return Json::parse(slurp(file)); }

}  // namespace

TEST_CASE("weights drawn from scratch follow the seed, and a saved folder gives them back",
          "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  const auto model = PretrainedDecoder::from_scratch(bare, {.seed = 1});
  const auto weights = Frozen{}.attach(model).weights();
  const auto again = Frozen{}.attach(PretrainedDecoder::from_scratch(bare, {.seed = 1})).weights();
  const auto other = Frozen{}.attach(PretrainedDecoder::from_scratch(bare, {.seed = 2})).weights();
  CHECK(at::equal(weights[0].value, again[0].value));
  CHECK_FALSE(at::equal(weights[0].value, other[0].value));
  CHECK(weights[0].value.std().item<double>() == Approx(0.02).epsilon(0.1));

  const std::string saved = scratch / "saved";
  model.save(saved, weights);
  const PretrainedDecoder back(saved);
  CHECK(back.config().tied);
  CHECK(back.text() == nullptr);
  const auto loaded = Frozen{}.attach(back).weights();
  CHECK_NOTHROW(back.check_all_loaded());
  REQUIRE(loaded.size() == weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(loaded[i].name == weights[i].name);
    CHECK(at::equal(loaded[i].value, weights[i].value));
  }
  CHECK(json_of(scratch / "saved/config.json").at("torch_dtype") == "float32");  // as computed
}

TEST_CASE("a folder is saved with its type, tokenizer and every end-of-sequence id", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  scratch.write("bare/tokenizer.json", byte_level({}, {"<eos>", "<turn>"}).dump());
  scratch.write("bare/tokenizer_config.json", R"({"eos_token": "<eos>"})");
  scratch.write("bare/generation_config.json", R"({"eos_token_id": [256, 257], "top_k": 5})");
  const auto model = PretrainedDecoder::from_scratch(bare);
  REQUIRE(model.text() != nullptr);
  model.save(scratch / "saved", Frozen{}.attach(model).weights(), at::kHalf);
  CHECK(json_of(scratch / "saved/config.json").at("torch_dtype") == "float16");
  const Json generation = json_of(scratch / "saved/generation_config.json");
  CHECK(generation.at("eos_token_id") == Json::array({2, 256, 257}));
  CHECK(generation.at("top_k") == 5);
  CHECK(slurp(scratch / "saved/tokenizer.json") == slurp(scratch / "bare/tokenizer.json"));
  const auto tensors = io::load_tensors(scratch / "saved/model.safetensors");
  for (const auto& [name, tensor] : tensors) CHECK(tensor.scalar_type() == at::kHalf);
}

TEST_CASE("what ends a turn in the template alone is saved as an end of sequence", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  scratch.write("bare/tokenizer.json", byte_level({}, {"<eos>", "<turn>"}).dump());
  scratch.write("bare/tokenizer_config.json", R"({"eos_token": "<eos>"})");
  scratch.write("bare/chat_template.jinja",
                "{% for m in messages %}{{ m.role }}: {{ m.content }}<turn>{% endfor %}");
  const auto model = PretrainedDecoder::from_scratch(bare);
  model.save(scratch / "saved", Frozen{}.attach(model).weights());
  CHECK(json_of(scratch / "saved/generation_config.json").at("eos_token_id") ==
        Json::array({2, 256, 257}));
}

TEST_CASE("a name is opened from the cache of the Hub's client", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  scratch.write("bare/tokenizer.json", byte_level({}, {"<eos>"}).dump());
  const auto model = PretrainedDecoder::from_scratch(bare, {.seed = 1});
  // As the client lays it out: the files are links to blobs.
  const auto repository = scratch / "models--org--name", snapshot = repository / "snapshots/abc";
  model.save(repository / "blobs", Frozen{}.attach(model).weights());
  std::filesystem::create_directories(snapshot);
  for (const auto& entry : std::filesystem::directory_iterator(repository / "blobs")) {
    const auto name = entry.path().filename();
    std::filesystem::create_symlink("../../blobs" / name, snapshot / name);
  }
  std::filesystem::create_directory(repository / "refs");
  scratch.write("models--org--name/refs/main", "abc");
  const Variable cache("HF_HUB_CACHE", scratch.path().string());
  const PretrainedDecoder by_name("org/name");
  CHECK(by_name.folder() == snapshot.string());
  CHECK(by_name.content().value() == PretrainedDecoder(snapshot.string()).content().value());
  by_name.save(scratch / "saved", Frozen{}.attach(by_name).weights());
  CHECK(slurp(scratch / "saved/tokenizer.json") == slurp(scratch / "bare/tokenizer.json"));
  CHECK_NOTHROW(PretrainedDecoder::from_scratch("org/name"));
  CHECK_NOTHROW(hub::RewardModel("org/name"));
  CHECK(
      contains(error_of([] { PretrainedDecoder("org/other"); }), "; hint: hf download org/other"));
}

TEST_CASE("matrices in 4 bits keep their form, and config.json says so", "[models]") {
  const TempFolder scratch;
  const auto model = PretrainedDecoder::from_scratch(bare_folder(scratch));
  const auto state = BasicFrozen<Nf4>{}.attach(model);
  model.save(scratch / "saved", state.packed_weights());
  const Json quantized = json_of(scratch / "saved/config.json").at("quantization_config");
  CHECK(quantized.at("bnb_4bit_quant_type") == "nf4");
  CHECK(quantized.at("bnb_4bit_use_double_quant") == true);
  CHECK(quantized.at("llm_int8_skip_modules") == Json::array({"lm_head"}));
  const PretrainedDecoder back((scratch / "saved").string());
  const auto expected = state.weights(), loaded = Frozen{}.attach(back).weights();
  CHECK_NOTHROW(back.check_all_loaded());
  REQUIRE(loaded.size() == expected.size());
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    CHECK(at::equal(loaded[i].value, expected[i].value));
  }
}

TEST_CASE("a model's content is that of its folder's files, wherever they lie", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  const auto model = PretrainedDecoder::from_scratch(bare, {.seed = 1});
  auto weights = Frozen{}.attach(model).weights();
  const auto content = [](const std::string& folder) {
    return PretrainedDecoder(folder).content().value();
  };
  model.save(scratch / "saved", weights);
  std::filesystem::copy(scratch / "saved", scratch / "copy");
  CHECK(content(scratch / "saved") == content(scratch / "copy"));
  weights.back().value = weights.back().value.clone();
  weights.back().value.flatten()[0] += 1e-3;
  model.save(scratch / "other", weights);
  CHECK(content(scratch / "saved") != content(scratch / "other"));
  Json config = json_of(scratch / "copy/config.json");
  config["rope_theta"] = 20000.0;
  scratch.write("copy/config.json", config.dump());
  CHECK(content(scratch / "saved") != content(scratch / "copy"));
  CHECK(model.content().value() ==
        PretrainedDecoder::from_scratch(bare, {.seed = 1}).content().value());
  CHECK(model.content().value() !=
        PretrainedDecoder::from_scratch(bare, {.seed = 2}).content().value());
}

TEST_CASE("a model says before the work what it could not save", "[models]") {
  const TempFolder scratch;
  const auto model = PretrainedDecoder::from_scratch(bare_folder(scratch));
  CHECK_NOTHROW(model.check_save(scratch / "out"));
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  scratch.write("file", "");
  CHECK(contains(error_of([&] { model.check_save(scratch / "file"); }), "found a file"));
  std::filesystem::create_symlink(scratch / "file", scratch / "bare/vocab.txt");
  CHECK(contains(error_of([&] { model.check_save(scratch / "out"); }), "a link out of"));
}

TEST_CASE("a folder that is not one of a model, or misses a tensor, is an error", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  CHECK(contains(error_of([&] { PretrainedDecoder model(bare); }),
                 "expected model.safetensors or model.safetensors.index.json, found config.json"));
  const std::string nowhere = scratch / "nowhere";
  CHECK(error_of([&] { PretrainedDecoder model(nowhere); }) == nowhere + ": no such folder");
  CHECK(error_of([&] { PretrainedDecoder::from_scratch(nowhere); }) ==
        nowhere + ": no such folder");
  std::filesystem::create_directory(scratch / "adapter");
  scratch.write("adapter/adapter_config.json", R"({"base_model_name_or_path": "org/base"})");
  scratch.write("adapter/adapter_model.safetensors", "");
  scratch.write("adapter/tokenizer.json", "{}");
  for (const auto& error :
       {error_of([&] { PretrainedDecoder model(scratch / "adapter"); }),
        error_of([&] { PretrainedDecoder::from_scratch(scratch / "adapter"); })}) {
    CHECK(contains(error,
                   "adapter: is an adapter's folder (adapter_config.json), expected a "
                   "model's (config.json); hint: open the base 'org/base' and attach "
                   "From<Lora>{.folder = "));
  }
  const auto model = PretrainedDecoder::from_scratch(bare);
  auto weights = Frozen{}.attach(model).weights();
  weights.push_back({"extra.weight", at::ones({1})});
  model.save(scratch / "saved", weights);
  const PretrainedDecoder larger((scratch / "saved").string());
  CHECK(larger.file_of("model.layers.0.mlp.up_proj.weight") ==
        (scratch / "saved/model.safetensors").string());
  CHECK(larger.file_of("lm_head.weight") == "");
  CHECK(model.file_of("model.norm.weight") == "");
  Frozen{}.attach(larger);
  CHECK(contains(error_of([&] { larger.check_all_loaded(); }), "1 unexpected key: extra.weight"));
  weights.pop_back();
  const std::string missing = weights.back().name;
  weights.pop_back();
  model.save(scratch / "saved", weights);
  CHECK(contains(error_of([&] { PretrainedDecoder damaged(scratch / "saved"); }),
                 "missing key '" + missing + "'"));
}

TEST_CASE("a config.json that lies is told before memory is taken for it", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  const auto model = PretrainedDecoder::from_scratch(bare);
  model.save(scratch / "saved", Frozen{}.attach(model).weights());
  const Json honest = json_of(scratch / "saved/config.json");
  const auto told = [&](const Json& changes) {
    Json config = honest;
    config.update(changes);
    scratch.write("saved/config.json", config.dump());
    return error_of([&] { PretrainedDecoder opened(scratch / "saved"); });
  };
  CHECK(told(Json::object()).empty());
  for (const std::int64_t rows : {std::int64_t{5000000}, std::int64_t{1} << 31}) {
    CHECK(contains(told({{"vocab_size", rows}}),
                   "model.safetensors: key 'model.embed_tokens.weight': expected shape [" +
                       std::to_string(rows) + ", 64], found [300, 64]; hint:"));
  }
  CHECK(contains(told({{"hidden_size", 1 << 30}, {"head_dim", 16}}),
                 "expected shape [300, 1073741824], found"));
  CHECK(contains(told({{"intermediate_size", 1 << 30}}),
                 "mlp.gate_proj.weight': expected shape [1073741824, 64], found [96, 64]"));
  CHECK(contains(told({{"num_hidden_layers", 100000}}), "missing key 'model.layers.2."));
  CHECK(contains(told({{"num_hidden_layers", 3}}), "missing key 'model.layers.2."));
  CHECK(contains(told({{"hidden_size", std::int64_t{1} << 31},
                       {"head_dim", 16},
                       {"vocab_size", std::int64_t{1} << 31}}),
                 "at most 2^50 parameters, got a matrix of [2147483648, 2147483648]"));
  CHECK(contains(told({{"num_key_value_heads", 2}}),
                 "k_proj.weight': expected shape [32, 64], found [64, 64]"));
  CHECK(contains(told({{"attention_bias", true}}),
                 "missing key 'model.layers.0.self_attn.q_proj.bias'"));
}

TEST_CASE("matrices in 4 bits are compared with config.json, too", "[models]") {
  const TempFolder scratch;
  const auto model = PretrainedDecoder::from_scratch(bare_folder(scratch));
  model.save(scratch / "saved", BasicFrozen<Nf4>{}.attach(model).packed_weights());
  Json config = json_of(scratch / "saved/config.json");
  config["intermediate_size"] = 1 << 30;
  scratch.write("saved/config.json", config.dump());
  CHECK(contains(error_of([&] { PretrainedDecoder opened(scratch / "saved"); }),
                 "expected the values of shape [1073741824, 64] in 4 bits, found"));
}

TEST_CASE("a file that could not be saved again is refused when the folder is opened", "[models]") {
  const TempFolder scratch;
  const std::string bare = bare_folder(scratch);
  const auto error = [&] { return error_of([&] { PretrainedDecoder::from_scratch(bare); }); };
  CHECK(error() == "");
  scratch.write("bare/generation_config.json", "[1]");
  CHECK(contains(error(), "generation_config.json"));
  CHECK(!contains(error(), "json.exception"));
  std::filesystem::remove(scratch / "bare/generation_config.json");
  scratch.write("bare/config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  CHECK(error() ==
        bare + "/config.json: is a Git LFS pointer, not the file itself; hint: git lfs pull");
}
