// SPDX-License-Identifier: Apache-2.0
// In llama.cpp: tests/parity/gguf_llama_parity.py.
#include "posttrain/params/lora/gguf.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/io/gguf.hpp"
#include "posttrain/models/gguf/head_rows.hpp"
#include "posttrain/models/gguf/tensors.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/storage/gguf.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/lora.hpp"
#include "support/named_tensors.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

models::DecoderConfig llama_config() {
  models::DecoderConfig config = tiny_config();
  config.model_type = "llama";
  return config;
}

Tensor values(const io::GgufModel& file, const std::string& name) {
  const io::GgufTensor& tensor = *file.find(name)->tensor;
  Tensor out = at::empty(tensor.shape, at::kFloat);
  dequantize_gguf(tensor.type, tensor.bytes, out);
  return out.to(at::kDouble);
}

}  // namespace

TEST_CASE("an adapter for llama.cpp is what merging adds", "[params][lora]") {
  const TempFolder scratch;
  const std::string path = (scratch / "adapter.gguf").string();
  const models::DecoderConfig config = llama_config();
  const models::Decoder model(config, {.dtype = at::kDouble, .seed = 1});
  const auto base = Frozen{}.attach(model).weights();
  for (const Lora& policy :
       std::vector<Lora>{{.rank = 4, .alpha = 6},
                         {.rank = 3, .alpha = 5, .rank_pattern = "k_proj=2", .use_rslora = true},
                         {.rank = 2, .alpha_pattern = "layers.1=3"},
                         {.rank = 2, .target_modules = "embed_tokens, q_proj"},
                         {.rank = 2, .alpha = 3, .init = LoraInit::olora}}) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    save_gguf(state, config, path);
    const io::GgufModel file(path);
    CHECK(file.text("general.type") == "adapter");
    CHECK(file.text("adapter.type") == "lora");
    CHECK(file.text("general.architecture") == "llama");
    const double alpha = file.number("adapter.lora.alpha");
    std::size_t found = 0;
    for (const NamedTensor& merged : state.weights()) {
      const auto place = models::gguf_place(config, merged.name);
      if (!place || file.find(place->name + ".lora_a") == nullptr) continue;
      INFO(merged.name);
      const Tensor before = named(base, merged.name);
      Tensor a = values(file, place->name + ".lora_a"), b = values(file, place->name + ".lora_b");
      Tensor change;
      if (place->name == "token_embd.weight") {  // rows of A are looked up there
        change = a.matmul(b.t()) * (alpha / static_cast<double>(b.size(1)));
      } else {
        change = b.matmul(a) * (alpha / static_cast<double>(b.size(1)));
        if (place->paired_heads > 0) change = models::unpaired_rows(change, place->paired_heads);
      }
      CHECK(relative_error(change, merged.value - before) < 1e-5);
      ++found;
    }
    CHECK(2 * found == file.tensors().size());
    CHECK(found == state.adapters().size());
  }
}

TEST_CASE("what an adapter of llama.cpp cannot hold is refused, and nothing is written",
          "[params][lora]") {
  const TempFolder scratch;
  const std::string path = (scratch / "adapter.gguf").string();
  const models::DecoderConfig config = llama_config();
  const models::Decoder model(config, {.seed = 1});
  for (const Lora& policy : std::vector<Lora>{{.rank = 2, .use_dora = true},
                                              {.rank = 2, .bias = LoraBias::all},
                                              {.rank = 2, .modules_to_save = "model.norm"},
                                              {.rank = 2, .trainable_token_indices = "3"}}) {
    INFO(describe(policy));
    const auto state = policy.attach(model);
    CHECK_THROWS_WITH(save_gguf(state, config, path),
                      Catch::Contains("holds low-rank matrices only, and this state trains "));
    CHECK_FALSE(io::fs::exists(path));
  }
}

TEST_CASE("LoRA trains beside a GGUF file's own blocks", "[params][lora]") {
  const models::Decoder model(llama_config(), {.dtype = at::kDouble, .seed = 1});
  auto state = BasicLora<Gguf>{.rank = 2, .storage = {.type = GgufType::kF16}}.attach(model);
  CHECK(state.base().stored(0, 0));
  disturb(state);
  check_gradients(model, state);
}
