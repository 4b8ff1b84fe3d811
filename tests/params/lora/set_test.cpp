// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/set.hpp"

#include "posttrain/storage/nf4.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

template <class Gate>
Tensor logits_of(const Gate& gate, const models::Decoder& model = tiny_model()) {
  at::NoGradGuard no_grad;
  const TokenBatch batch = batch_of({some_sequence(7, 1), some_sequence(12, 2)});
  return model.logits(gate, model.hidden(gate, batch));
}

/// s B A of one module; nothing: zero.
template <class State>
Tensor change_of(const State& state, const std::string& module) {
  for (const AdapterTensors& adapter : state.adapters()) {
    if (adapter.module == module) return adapter.b.matmul(adapter.a) * adapter.scale;
  }
  return {};
}

}  // namespace

TEMPLATE_TEST_CASE("adapters of a set compute as they do alone, on one base", "[params][lora][set]",
                   Dense, Nf4) {
  using Storage = TestType;
  const models::Decoder model = tiny_model();
  const Lora math{.rank = 4},
      code{.rank = 2, .target_modules = "q_proj, embed_tokens", .use_dora = true};
  AdapterSet<Storage> set(model);
  disturb(set.add("math", math), 0.1, 5);
  disturb(set.add("code", code), 0.1, 9);
  const Tensor base = logits_of(set.base());
  auto alone = with_storage(math, Storage{}).attach(model);
  disturb(alone, 0.1, 5);
  CHECK(at::equal(logits_of(set.gate("math")), logits_of(alone)));
  auto other = with_storage(code, Storage{}).attach(model);
  disturb(other, 0.1, 9);
  CHECK(at::equal(logits_of(set.gate("code")), logits_of(other)));
  CHECK(at::equal(logits_of(set.gate("math").reference()), base));
  CHECK(&set.gate("math").base() == &set.gate("code").base());
  CHECK(set.names() == std::vector<std::string>{"code", "math"});
  set.remove("code");
  CHECK(set.names() == std::vector<std::string>{"math"});
  CHECK_THROWS_WITH(set.gate("code"), Catch::Contains("(math), got \"code\""));
}

TEST_CASE("a set is saved as PEFT does and comes back", "[params][lora][set]") {
  const models::Decoder model = tiny_model();
  const TempFolder temp;
  const std::string folder = (temp.path() / "adapters").string();
  AdapterSet set(model);
  disturb(set.add("default", {.rank = 4, .rank_pattern = "k_proj=2"}), 0.1, 5);
  disturb(set.add("code", {.rank = 2, .target_modules = "q_proj, embed_tokens, lm_head"}), 0.1, 9);
  disturb(set.add("dora", {.rank = 2, .target_modules = "embed_tokens", .use_dora = true}), 0.1, 3);
  save(set, folder, "base");
  save(set, folder, "base");  // replaces itself
  CHECK(std::filesystem::exists(temp.path() / "adapters/adapter_config.json"));
  CHECK(std::filesystem::exists(temp.path() / "adapters/code/adapter_model.safetensors"));
  AdapterSet again(model);
  CHECK(again.load_all(folder) == std::vector<std::string>{"code", "default", "dora"});
  for (const std::string& name : set.names()) {
    INFO(name);
    CHECK(at::equal(logits_of(again.gate(name)), logits_of(set.gate(name))));
  }
  const auto one = From<Lora>{.folder = folder + "/code"}.attach(model);
  CHECK(at::equal(logits_of(one), logits_of(set.gate("code"))));
  // Nothing of others is deleted.
  set.remove("code");
  CHECK_THROWS_WITH(save(set, folder), Catch::Contains("'code'"));
  CHECK(again.load("code2", folder + "/code").adapters().size() == 4);
  CHECK_THROWS_WITH(again.load_all((temp.path() / "none").string()),
                    Catch::Contains("no such folder"));
}

TEST_CASE("adapters are added up exactly by rows, or factor by factor", "[params][lora][set]") {
  const models::Decoder model = tiny_model();
  AdapterSet set(model);
  disturb(set.add("a", {.rank = 4, .target_modules = "q_proj, embed_tokens"}), 0.1, 5);
  disturb(
      set.add("b", {.rank = 3, .alpha = 5, .target_modules = "q_proj, v_proj", .use_rslora = true}),
      0.1, 9);
  disturb(set.add("c", {.rank = 4, .alpha = 5, .target_modules = "q_proj"}), 0.1, 2);
  set.combine("ab", {{"a", 0.7}, {"b", -0.4}});
  const std::string q = "model.layers.1.self_attn.q_proj", v = "model.layers.1.self_attn.v_proj";
  const std::string embedding = "model.embed_tokens";
  CHECK(relative_error(change_of(set.gate("ab"), q),
                       change_of(set.gate("a"), q) * 0.7 - change_of(set.gate("b"), q) * 0.4) <
        1e-13);
  CHECK(relative_error(change_of(set.gate("ab"), v), change_of(set.gate("b"), v) * -0.4) < 1e-13);
  CHECK(relative_error(change_of(set.gate("ab"), embedding),
                       change_of(set.gate("a"), embedding) * 0.7) < 1e-13);
  // The sum of one is itself; of two, (√w₁ B₁ + √w₂ B₂)(√w₁ A₁ + √w₂ A₂).
  set.combine("alone", {{"a", -2.0}}, Combination::linear);
  CHECK(relative_error(change_of(set.gate("alone"), q), change_of(set.gate("a"), q) * -2.0) <
        1e-13);
  const auto of = [&](const char* name) {
    for (const AdapterTensors& adapter : set.gate(name).adapters()) {
      if (adapter.module == q) return adapter;
    }
    throw std::runtime_error("no such adapter");
  };
  set.combine("ac", {{"a", 0.5}, {"c", 0.25}}, Combination::linear);
  const double x = std::sqrt(0.5 * 2.0), y = std::sqrt(0.25 * 1.25);
  CHECK(relative_error(change_of(set.gate("ac"), q),
                       (of("a").b * x + of("c").b * y).matmul(of("a").a * x + of("c").a * y)) <
        1e-13);
  CHECK_THROWS_WITH(set.combine("no", {{"a", 1.0}, {"b", 1.0}}, Combination::linear),
                    Catch::Contains("equal ranks"));
  set.add("dora", {.use_dora = true});
  CHECK_THROWS_WITH(set.combine("no", {{"dora", 1.0}}), Catch::Contains("without DoRA"));
  CHECK(set.names().size() == 7);
}

TEST_CASE("what cannot share a base is refused", "[params][lora][set]") {
  const models::Decoder model = tiny_model();
  AdapterSet set(model);
  for (const Lora& policy : std::vector<Lora>{{.init = LoraInit::olora},
                                              {.init = LoraInit::pissa},
                                              {.bias = LoraBias::all},
                                              {.modules_to_save = "norm"}}) {
    CHECK_THROWS_WITH(set.add("x", policy), Catch::Contains("shared base"));
  }
  CHECK_THROWS_WITH(set.add("a.b", {}), Catch::Contains("without dots"));
  CHECK_THROWS_WITH(AdapterSet<>().add("a", {}), Catch::Contains("without a model"));
  set.add("a", {});
  CHECK_THROWS_WITH(set.add("a", {}), Catch::Contains("already"));
  CHECK_THROWS_WITH(set.train("b").attach(model), Catch::Contains("got \"b\""));
  CHECK_THROWS_WITH(set.train("a").attach(tiny_model(at::kFloat)), Catch::Contains("another one"));
}
