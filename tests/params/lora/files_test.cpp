// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/files.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/tensor/shape_text.hpp"
#include "programs/probe.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/json_mutations.hpp"
#include "support/lora.hpp"
#include "support/messages.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("an adapter computes the same where it is loaded [C23]", "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  const std::vector<Lora> policies{
      {.rank = 4, .alpha = 6},
      {.rank = 3, .alpha = 5, .rank_pattern = "k_proj=2", .use_rslora = true},
      {.rank = 2, .alpha_pattern = "layers.1=3", .use_dora = true},
      {.rank = 2, .target_modules = "embed_tokens, lm_head, v_proj"},
      {.rank = 2, .bias = LoraBias::all, .modules_to_save = "norm"}};
  for (const Lora& policy : policies) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    save(state, folder, "the/base");
    const auto again = From<Lora>{.folder = folder}.attach(model);
    CHECK(again.tensors().size() == state.tensors().size());
    CHECK(relative_error(logits_of(again), logits_of(state)) < 1e-13);
    CHECK(at::equal(logits_of(again.reference()), logits_of(state.reference())));
  }
}

TEST_CASE("a start that moved the base is saved for the original one", "[params][lora]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  for (const LoraInit init : {LoraInit::olora, LoraInit::pissa}) {
    auto state = Lora{.rank = 4, .alpha = 6, .init = init}.attach(model);
    disturb(state);
    save(state, folder);
    const auto again = From<Lora>{.folder = folder}.attach(model);
    for (const AdapterTensors& adapter : again.adapters()) CHECK(adapter.a.size(0) == 8);
    CHECK(relative_error(logits_of(again), logits_of(state)) < 1e-12);
    CHECK(at::equal(again.base().part(0, 0), Full{}.attach(model).part(0, 0)));
  }
  // The base of several alternations of LoftQ is none that a folder could name by itself.
  const auto lost = QLora{.rank = 4, .init = LoraInit::loftq, .loftq_iter = 2}.attach(model);
  CHECK_THROWS_WITH(save(lost, folder), Catch::Contains("expected the folder of its quantised"));
}

TEST_CASE("a folder that says something else is refused with a reason [C23]",
          "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  save(Lora{.rank = 2, .target_modules = "q_proj"}.attach(model), folder);
  const auto config_path = scratch / "adapter/adapter_config.json",
             tensor_path = scratch / "adapter/adapter_model.safetensors";
  const Json config = io::parse_json(io::read_text_file(config_path), "config");
  CHECK(config.at("peft_type") == "LORA");
  CHECK(config.at("base_model_name_or_path").is_null());
  const auto load = [&] { From<Lora>{.folder = folder}.attach(model); };
  const auto with = [&](const char* key, const Json& value) {
    Json changed = config;
    changed[key] = value;
    io::write_file_atomically(config_path, changed.dump());
    return load;
  };
  CHECK_THROWS_WITH(with("peft_type", "IA3")(),
                    Catch::Contains("expected peft_type LORA, got IA3"));
  CHECK_THROWS_WITH(with("bias", "some")(), Catch::Contains("lora_only, got some"));
  CHECK_THROWS_WITH(with("lora_bias", true)(), Catch::Contains("'lora_bias' is not supported"));
  CHECK_THROWS_WITH(with("init_lora_weights", "corda")(), Catch::Contains("changed the base"));
  CHECK_THROWS_WITH(with("r", 0)(), Catch::Contains("expected r to be an integer of at least 1"));
  CHECK_NOTHROW(with("use_bdlora", false)());

  const auto good = io::load_tensors(tensor_path);
  const auto rewrite = [&](const auto& change) {
    std::map<std::string, Tensor> tensors = good;
    change(tensors);
    io::save_tensors(tensor_path,
                     std::vector<std::pair<std::string, Tensor>>(tensors.begin(), tensors.end()));
    return load;
  };
  const std::string key = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
  REQUIRE(good.contains(key));
  CHECK_THROWS_WITH(rewrite([&](auto& all) { all.erase(key); })(), Catch::Contains("missing key"));
  CHECK_THROWS_WITH(rewrite([&](auto& all) { all["x"] = at::zeros({1}); })(),
                    Catch::Contains("unexpected key 'x'"));
  // A tensor that was saved along must be this model's.
  const std::string table = "model.embed_tokens.weight";
  const Tensor own = Full{}.attach(model).weight(table);
  CHECK_NOTHROW(rewrite([&](auto& all) { all["base_model.model." + table] = own; })());
  CHECK_THROWS_WITH(rewrite([&](auto& all) { all["base_model.model." + table] = own + 1; })(),
                    Catch::Contains("the model has another one there"));
  CHECK_THROWS_WITH(From<Lora>{}.validate(),
                    "posttrain: From<Lora>.folder must name an adapter's folder");
}

TEST_CASE("whatever stands in an adapter_config.json, it is read or one line says what is wrong",
          "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  save(Lora{.rank = 2, .target_modules = "q_proj, v_proj", .modules_to_save = "norm"}.attach(model),
       folder, "the/base");
  const auto path = scratch / "adapter/adapter_config.json";
  Json config = io::parse_json(io::read_text_file(path), "config");
  // Fields of PEFT's that a plain adapter leaves empty.
  config["alpha_pattern"] = {{"q_proj", 3}};
  config["rank_pattern"] = {{"q_proj", 2}};
  config["init_lora_weights"] = true;
  config["loftq_config"] = {{"loftq_iter", 1}};
  config["ensure_weight_tying"] = false;
  config["trainable_token_indices"] = nullptr;
  config["lora_bias"] = false;
  int read = 0, refused = 0;
  each_mutation(config, [&](const Json& changed, const std::string& key) {
    INFO(key << " in " << io::shown(changed));
    io::write_file_atomically(path, changed.dump());
    const std::string error = error_of([&] { From<Lora>{.folder = folder}.attach(model); });
    check_helpful(error, folder);
    ++(error.empty() ? read : refused);
  });
  CHECK(read > 100);
  CHECK(refused > 50);
  for (const char* key : {"lora_alpha", "lora_dropout", "use_rslora", "use_dora", "bias", "r",
                          "alpha_pattern", "init_lora_weights"}) {
    Json changed = config;
    changed[key] = nullptr;
    io::write_file_atomically(path, changed.dump());
    INFO(key);
    CHECK(error_of([&] { From<Lora>{.folder = folder}.attach(model); }) == "");
    changed[key] = Json::array({1});
    io::write_file_atomically(path, changed.dump());
    const std::string error = error_of([&] { From<Lora>{.folder = folder}.attach(model); });
    CHECK(error.starts_with(path.string() + ": expected " + key));
  }
  io::write_file_atomically(
      path, Json(config)
                .patch(Json::parse(R"([{"op": "replace", "path": "/peft_type", "value": null}])"))
                .dump());
  CHECK(error_of([&] { From<Lora>{.folder = folder}.attach(model); }) ==
        path.string() + ": expected peft_type LORA, got none");
}

TEST_CASE("every tensor of an adapter is looked at before it is used", "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  save(Lora{.rank = 2,
            .target_modules = "down_proj, embed_tokens",
            .use_dora = true,
            .modules_to_save = "model.norm"}
           .attach(model),
       folder);
  const auto path = scratch / "adapter/adapter_model.safetensors";
  const auto good = io::load_tensors(path);
  for (const auto& [key, tensor] : good) {
    for (const Tensor& other :
         {at::zeros(at::IntArrayRef()), at::zeros({0}), at::zeros({3}), at::zeros({2, 2, 2}),
          at::zeros({0, 16}), at::zeros(tensor.sizes(), at::kLong)}) {
      INFO(key << " of shape " << shape_text(other));
      std::map<std::string, Tensor> tensors = good;
      tensors[key] = other;
      io::save_tensors(path,
                       std::vector<std::pair<std::string, Tensor>>(tensors.begin(), tensors.end()));
      const std::string error = error_of([&] { From<Lora>{.folder = folder}.attach(model); });
      CHECK(error != "");
      check_helpful(error, folder);
      // The key, as the model calls it.
      const std::string own = key.substr(std::string("base_model.model.").size());
      CHECK(error.find(own.substr(0, own.rfind('.'))) != std::string::npos);
      CHECK(error.find(other.scalar_type() == at::kLong ? "Long" : shape_text(other)) !=
            std::string::npos);
    }
  }
  // A scalar, which has no dimension 0.
  std::map<std::string, Tensor> tensors = good;
  const std::string key = "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight";
  REQUIRE(tensors.contains(key));
  tensors[key] = at::zeros(at::IntArrayRef());
  io::save_tensors(path,
                   std::vector<std::pair<std::string, Tensor>>(tensors.begin(), tensors.end()));
  CHECK(error_of([&] { From<Lora>{.folder = folder}.attach(model); }) ==
        path.string() + ": tensor '" + key + "': expected a matrix [rank, in], got shape []");
}

namespace {

/// A base folder in double precision, as hub::PretrainedDecoder reads it.
models::Decoder decoder_of(const std::string& folder) {
  auto weights = std::make_shared<io::Checkpoint>(folder);
  const models::DecoderConfig config = models::parse_config(weights->config_text());
  return models::Decoder(config, {.dtype = at::kDouble},
                         models::weight_loader(weights, config.tied));
}

std::vector<std::string> names_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

bool has(const std::vector<NamedTensor>& tensors, const std::string& name) {
  return std::ranges::find(tensors, name, &NamedTensor::name) != tensors.end();
}

}  // namespace

TEST_CASE("adapters of PEFT's on a tied base give its log-probabilities", "[params][lora]") {
  POSTTRAIN_SHARED_OR_SKIP(refused, "data/failures/peft-refused");
  POSTTRAIN_SHARED_OR_SKIP(tied, "data/failures/peft-tied-embedding");
  const auto logps = [](const std::string& root, const char* adapter) {
    const models::Decoder model = decoder_of(root + "/base");
    const auto state = From<Lora>{.folder = root + "/" + adapter}.attach(model);
    const TokenBatch batch = test::read_batch(root + "/batch.json", model.vocab_size());
    return test::probe_state(model, state, batch)[1].second;
  };
  const auto check = [&](const std::string& root, const char* adapter,
                         std::vector<double> expected) {
    INFO(adapter);
    const Tensor found = logps(root, adapter);
    REQUIRE(found.numel() == static_cast<std::int64_t>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // PEFT 0.21.2, with the digits that were noted.
      CHECK(found[static_cast<std::int64_t>(i)].item<double>() ==
            Approx(expected[i]).margin(6e-5).epsilon(0));
    }
  };
  // Only the lookup is replaced.
  check(tied, "adapter", {-4.1995, -2.7254, -2.4466, -4.5590, -3.8194, -2.0193});
  check(refused, "suffix-names", {-3.5366, -3.7820, -4.5504, -3.1021, -4.2970, -3.3836});
  check(refused, "tied-head-saved", {-2.2697, -4.6840, -4.2109, -4.0676, -5.7492, -2.8075});
  check(refused, "ensure-weight-tying", {-3.2936, -4.8905, -4.0711, -4.4723, -4.4412, -4.4785});
  check(refused, "token-indices", {-3.1713, -4.3057, -3.9620, -3.7723, -3.5241, -3.6040});
  CHECK_THAT(error_of([&] { logps(refused, "bin-only"); }),
             Catch::Contains("bin-only: expected adapter_model.safetensors, found "
                             "adapter_model.bin; hint: convert it: python3 -c"));
}

TEST_CASE("modules to save of a tied model are what PEFT makes of them", "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  const std::string table = "model.embed_tokens.weight", head = "lm_head.weight";
  const Tensor original = Full{}.attach(model).weight(table).clone();
  struct Case {
    const char* modules;
    bool tied;
    std::vector<std::string> trained;  // besides the adapters
    std::vector<std::string> saved;
  };
  const std::vector<Case> cases{
      {"embed_tokens", false, {table}, {"model.embed_tokens"}},
      {"embed_tokens, lm_head", false, {table, head}, {"model.embed_tokens", "lm_head"}},
      {"embed_tokens", true, {table}, {"model.embed_tokens", "lm_head"}},
      {"embed_tokens, lm_head", true, {table}, {"model.embed_tokens", "lm_head"}},
      {"lm_head", true, {table}, {"model.embed_tokens", "lm_head"}}};
  for (const Case& c : cases) {
    INFO(c.modules << (c.tied ? " tied" : ""));
    const Lora policy{.rank = 2,
                      .target_modules = "q_proj",
                      .modules_to_save = c.modules,
                      .ensure_weight_tying = c.tied};
    auto state = policy.attach(model);
    CHECK(relative_error(logits_of(state), logits_of(Full{}.attach(model))) < 1e-14);
    std::vector<std::string> trained;
    for (const std::string& name : names_of(state.gradients())) {
      if (name.find(".lora_") == std::string::npos) trained.push_back(name);
    }
    CHECK(trained == c.trained);
    disturb(state);
    check_gradients(model, state);
    // What is not trained stays; what is tied moves along.
    const auto moved = [&](const std::string& name) {
      return relative_error(state.base().weight(name), original) > 0.01;
    };
    CHECK(moved(table));
    CHECK(has(state.base().weights(), head) == !c.tied);
    if (!c.tied) CHECK(moved(head) == (c.trained.size() == 2));
    // The head reads the matrix that is said to be its own.
    const Tensor rows = hidden_of(state);
    const Tensor scores = rows.matmul(state.base().weight(c.tied ? table : head).t());
    CHECK(relative_error(logits_of(state), at::tanh(scores / 5.0) * 5.0) < 1e-12);

    save(state, folder, "the/base");
    const Json config = io::parse_json(io::read_text_file(scratch / "adapter/adapter_config.json"),
                                       "adapter_config.json");
    CHECK(config.at("ensure_weight_tying") == c.tied);
    CHECK(config.at("modules_to_save") == Json(c.saved));
    const auto tensors = io::load_tensors(scratch / "adapter/adapter_model.safetensors");
    for (const std::string& module : c.saved) {
      CHECK(at::equal(tensors.at("base_model.model." + module + ".weight"),
                      state.base().weight(c.tied ? table : module + ".weight").to(at::kCPU)));
    }
    const auto again = From<Lora>{.folder = folder}.attach(model);
    CHECK(names_of(again.tensors()) == names_of(state.tensors()));
    CHECK(relative_error(logits_of(again), logits_of(state)) < 1e-13);
    CHECK(relative_error(logits_of(Full{}.attach(merged(state)), merged(state)), logits_of(state)) <
          1e-12);
  }
  CHECK_THROWS_WITH(
      (Lora{.rank = 2, .target_modules = "embed_tokens", .ensure_weight_tying = true}.attach(
          model)),
      Catch::Contains("one adapter of both is not supported; hint: train it fully"));
  // A folder that says they are one and holds two.
  const auto path = scratch / "adapter/adapter_model.safetensors";
  std::map<std::string, Tensor> tensors = io::load_tensors(path);
  tensors["base_model.model." + head] = tensors.at("base_model.model." + table) + 1;
  io::save_tensors(path,
                   std::vector<std::pair<std::string, Tensor>>(tensors.begin(), tensors.end()));
  CHECK_THAT(error_of([&] { From<Lora>{.folder = folder}.attach(model); }),
             Catch::Contains("'model.embed_tokens.weight' and 'lm_head.weight' differ"));
}
