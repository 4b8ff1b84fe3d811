// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/files.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/qlora.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/lora.hpp"
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
