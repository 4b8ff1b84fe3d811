// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/prompt/files.hpp"

#include <type_traits>

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/json_mutations.hpp"
#include "support/messages.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

constexpr std::int64_t kCount = 3;

std::vector<Sequence> some_sequences() {
  return {some_sequence(7, 1), some_sequence(12, 2), some_sequence(5, 3)};
}

/// Hidden states of the rows that predict, [P, d].
template <class State>
Tensor predicting(const models::Decoder& model, const State& state, const TokenBatch& own) {
  at::NoGradGuard no_grad;
  const TokenBatch batch = prepared(state, own);
  return model.hidden(state, batch).index_select(0, batch.row);
}

}  // namespace

TEMPLATE_TEST_CASE("a folder gives the same numbers back", "[params][prompt]", PromptTuning,
                   PrefixTuning) {
  constexpr bool kPrompt = std::is_same_v<TestType, PromptTuning>;
  using Loader = std::conditional_t<kPrompt, From<PromptTuning>, From<PrefixTuning>>;
  const TempFolder folder;
  const models::Decoder model = tiny_model(at::kFloat);
  auto state = TestType{.num_virtual_tokens = kCount}.attach(model);
  disturb(state, 0.2);
  const std::string path = (folder / "prompt").string();
  save(state, path, "some/base");
  const auto config_path = io::fs::path(path) / "adapter_config.json";
  const Json config = io::parse_json(io::read_text_file(config_path), "config");
  CHECK(config.at("peft_type") == (kPrompt ? "PROMPT_TUNING" : "PREFIX_TUNING"));
  CHECK(config.at("num_virtual_tokens") == kCount);
  CHECK(config.at("token_dim") == (kPrompt ? 16 : 8));
  CHECK(config.at("num_attention_heads") == (kPrompt ? 4 : 2));
  CHECK(config.at("num_layers") == 2);
  CHECK(config.at("base_model_name_or_path") == "some/base");
  const auto again = Loader{.folder = path}.attach(model);
  CHECK(at::equal(again.tensors().at(0).value, state.tensors().at(0).value));
  const TokenBatch batch = batch_of(some_sequences());
  CHECK(at::equal(predicting(model, again, batch), predicting(model, state, batch)));

  // What does not fit is refused.
  const auto with = [&](const char* key, const Json& value) {
    Json changed = config;
    changed[key] = value;
    io::write_file_atomically(config_path, changed.dump());
    return [&] { Loader{.folder = path}.attach(model); };
  };
  CHECK_THROWS_WITH(with("peft_type", "LORA")(), Catch::Contains("expected peft_type"));
  CHECK_THROWS_WITH(with("num_virtual_tokens", 4)(), Catch::Contains("num_virtual_tokens"));
  CHECK_THROWS_WITH(with("num_virtual_tokens", "4")(), Catch::Contains("to be an integer"));
  CHECK_THROWS_WITH(with("num_transformer_submodules", 2)(), Catch::Contains("submodules"));
  if (!kPrompt) {
    CHECK_THROWS_WITH(with("prefix_projection", true)(), Catch::Contains("prefix_projection"));
    CHECK_THROWS_WITH(with("num_attention_heads", 4)(), Catch::Contains("num_attention_heads 2"));
  }
  CHECK_NOTHROW(with("num_attention_heads", nullptr)());
  int refused = 0;
  each_mutation(config, [&](const Json& changed, const std::string& key) {
    INFO(key << " in " << io::shown(changed));
    io::write_file_atomically(config_path, changed.dump());
    const std::string error = error_of([&] { Loader{.folder = path}.attach(model); });
    check_helpful(error, path);
    refused += error.empty() ? 0 : 1;
  });
  CHECK(refused > 20);
  for (const Tensor& other : {at::zeros(at::IntArrayRef()), at::zeros({kCount}),
                              at::zeros({kCount, 1}), at::zeros({kCount, 16}, at::kLong)}) {
    io::save_tensors(io::fs::path(path) / "adapter_model.safetensors",
                     {{"prompt_embeddings", other}});
    const std::string message = error_of(with("num_layers", 2));
    CHECK(message.find("'prompt_embeddings'") != std::string::npos);
    check_helpful(message, path);
  }
  io::save_tensors(io::fs::path(path) / "adapter_model.safetensors",
                   {{"prompt_embeddings", state.tensors().at(0).value}});
  with("num_layers", 2);
  models::DecoderConfig wider = tiny_config();
  wider.hidden_size = 24;
  wider.num_kv_heads = kPrompt ? 2 : 4;
  CHECK_THROWS_WITH(Loader{.folder = path}.attach(models::Decoder(wider)),
                    Catch::Contains("belong to this model"));
  io::save_tensors(io::fs::path(path) / "adapter_model.safetensors",
                   {{"prompt_embeddings", state.tensors().at(0).value}, {"x", at::zeros({1})}});
  CHECK_THROWS_WITH(Loader{.folder = path}.attach(model), Catch::Contains("unexpected key 'x'"));
  io::save_tensors(io::fs::path(path) / "adapter_model.safetensors", {});
  CHECK_THROWS_WITH(Loader{.folder = path}.attach(model), Catch::Contains("missing key"));
}
