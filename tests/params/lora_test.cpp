// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora.hpp"

#include <set>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("all linear layers but the head are adapted by default", "[params][lora]") {
  const auto state = Lora{.rank = 4}.attach(tiny_model());
  std::set<std::string> names;
  std::int64_t trained = 0;
  for (const AdapterTensors& adapter : state.adapters()) {
    names.insert(adapter.module);
    CHECK(adapter.a.size(0) == 4);
    CHECK(adapter.b.size(1) == 4);
    CHECK(adapter.scale == 2.0);
    trained += adapter.a.numel() + adapter.b.numel();
  }
  CHECK(names.size() == 14);
  CHECK(names.contains("model.layers.1.mlp.down_proj"));
  // Per layer: q 16+16, k and v 16+8 each, o 16+16, gate and up 16+24 each, down 24+16, times 4.
  CHECK(trained == 2 * 4 * (32 + 24 + 24 + 32 + 40 + 40 + 40));
}

TEST_CASE("a pattern that selects nothing is refused with the nearest that would",
          "[params][lora]") {
  const models::Decoder model = tiny_model();
  const auto error = [&](const Lora& policy) { return error_of([&] { policy.attach(model); }); };
  CHECK(error({.target_modules = "q_proj, v_prj"}) ==
        "Lora.target_modules \"v_prj\" selects nothing of the model; hint: \"v_proj\" would");
  CHECK(
      error({.target_modules = "q_proj, layers.5"}) ==
      "Lora.target_modules \"layers.5\" selects nothing of the model; hint: numbers there go from "
      "0 to 1");
  CHECK(
      error({.exclude_modules = "dwn_proj"}) ==
      "Lora.exclude_modules \"dwn_proj\" selects nothing of the model; hint: \"down_proj\" would");
  CHECK(
      error({.rank_pattern = "down_proj=4, q_prj=2"}) ==
      "Lora.rank_pattern \"q_prj\" selects nothing of what has an adapter; hint: \"q_proj\" would");
  CHECK(error({.target_modules = "q_proj", .alpha_pattern = "v_proj=2"}) ==
        "Lora.alpha_pattern \"v_proj\" selects nothing of what has an adapter; hint: \"q_proj\" "
        "would");
  CHECK(error({.modules_to_save = "lmhead"}) ==
        "Lora.modules_to_save \"lmhead\" selects nothing of the model; hint: \"lm_head\" would");
  CHECK(error({.modules_to_save = "norm, lm_head"}) ==
        "Lora.modules_to_save \"lm_head\": the head of this model is its embedding "
        "(tie_word_embeddings); hint: \"embed_tokens\" with ensure_weight_tying trains both as one "
        "matrix, \"embed_tokens, lm_head\" each as a matrix of its own");
  CHECK(error({.exclude_modules = "lm_head, embed_tokens",
               .rank_pattern = "layers.0-1=3",
               .modules_to_save = "embed_tokens, lm_head, norm"}) == "");
  CHECK_THROWS_WITH(Full{.freeze = "embed_token"}.attach(model),
                    "Full.freeze \"embed_token\" selects nothing of the model; hint: "
                    "\"embed_tokens\" would");
  CHECK_THROWS_WITH(Full{.freeze = "lm_head"}.attach(model),
                    "Full.freeze \"lm_head\": the head of this model is its embedding "
                    "(tie_word_embeddings); hint: \"embed_tokens\"");
}

TEST_CASE("nonsense is refused with a reason", "[params][lora]") {
  const models::Decoder model = tiny_model();
  CHECK_THROWS_WITH(Lora{.target_modules = "nothing"}.attach(model),
                    Catch::Contains("selects nothing"));
  CHECK_THROWS_WITH((Lora{.rank = 0}.validate()), Catch::Contains("Lora.rank"));
  CHECK_THROWS_WITH((Lora{.loftq_iter = 0}.validate()), Catch::Contains("loftq_iter"));
  CHECK_THROWS_WITH((Lora{.init = LoraInit::loftq}.validate()),
                    Catch::Contains("needs a quantised base"));
  CHECK_THROWS_WITH((Lora{.rank_pattern = "q_proj=x"}.attach(model)),
                    Catch::Contains("pattern=number"));
  CHECK_THROWS_WITH((Lora{.rank = 100, .init = LoraInit::pissa}.attach(model)),
                    Catch::Contains("rank of at most"));
  CHECK_THROWS_WITH((Lora{.dropout = 0.1, .target_modules = "lm_head"}.attach(model)),
                    Catch::Contains("LM head"));
}
