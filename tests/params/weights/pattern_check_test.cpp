// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/weights/pattern_check.hpp"

#include "posttrain/tensor/tensor.hpp"  // what is compiled of params/ links LibTorch
#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

Layout some_layout(bool tied) {
  Layout layout;
  layout.tables = {{"model.embed_tokens.weight", 6, 8, -1}};
  for (int i = 0; i < 3; ++i) {
    const std::string at = "model.layers." + std::to_string(i) + ".";
    layout.sites.push_back({{{at + "self_attn.q_proj", 8}, {at + "self_attn.v_proj", 8}}, 8, true});
    layout.sites.push_back({{{at + "mlp.down_proj", 8}}, 8, false});
    layout.vectors.push_back({at + "input_layernorm.weight", 8});
  }
  layout.sites.push_back({{{"lm_head", 6}}, 8, false, tied ? 0 : -1, true});
  layout.vectors.push_back({"model.norm.weight", 8});
  return layout;
}

}  // namespace

TEST_CASE("every pattern selects something or is named with the nearest that would") {
  const std::vector<std::string> modules = posttrain::detail::module_names(some_layout(true));
  CHECK(modules.size() == 3 * 3 + 2);
  const auto error = [&](const char* list) {
    return error_of(
        [&] { posttrain::detail::check_patterns("Lora.x", list, modules, "of it", "all-linear"); });
  };
  CHECK(error("") == "");
  CHECK(error("q_proj, layers.1-2 ,mlp.*_proj,,lm_head, embed_tokens, layers.2-90,") == "");
  CHECK(error("all-linear, q_proj=3") == "");
  CHECK(error("q_proj,v_prj") == "Lora.x \"v_prj\" selects nothing of it; hint: \"v_proj\" would");
  CHECK(error("dwn_proj=2") ==
        "Lora.x \"dwn_proj\" selects nothing of it; hint: \"down_proj\" would");
  CHECK(error("mlp.dwn_proj") ==
        "Lora.x \"mlp.dwn_proj\" selects nothing of it; hint: \"mlp.down_proj\" would");
  CHECK(error("self_attn.1.q_proj") ==
        "Lora.x \"self_attn.1.q_proj\" selects nothing of it; hint: \"0.self_attn.q_proj\" would");
  CHECK(error("layers.3") ==
        "Lora.x \"layers.3\" selects nothing of it; hint: numbers there go from 0 to 2");
  CHECK(error("layers.30-40.mlp") ==
        "Lora.x \"layers.30-40.mlp\" selects nothing of it; hint: numbers there go from 0 to 2");
  CHECK(error("nonsense") ==
        "Lora.x \"nonsense\" selects nothing of it; hint: model.layers.0.self_attn.q_proj is one");
  CHECK(error("lmhead") == "Lora.x \"lmhead\" selects nothing of it; hint: \"lm_head\" would");
  CHECK(error("Lm_Head") == "Lora.x \"Lm_Head\" selects nothing of it; hint: \"lm_head\" would");
  CHECK(error(std::string(90000, 'x').c_str()).size() <= kLongestMessage);
}

TEST_CASE("a tied head is its embedding, and a pattern of it alone says so") {
  const Layout tied = some_layout(true), untied = some_layout(false);
  CHECK(posttrain::detail::tensor_names(untied).size() ==
        posttrain::detail::tensor_names(tied).size() + 1);
  const auto error = [](const char* list, const Layout& layout, const char* hint = "") {
    return error_of(
        [&] { posttrain::detail::check_tensor_patterns("Full.freeze", list, layout, hint); });
  };
  CHECK(error("lm_head, norm.weight, q_proj.bias, *", untied) == "");
  CHECK(error("embed_tokens, lm_head", tied) == "");
  CHECK(error("*", tied) == "");
  CHECK(error("norm, lm_head", tied) ==
        "Full.freeze \"lm_head\": the head of this model is its embedding (tie_word_embeddings); "
        "hint: \"embed_tokens\"");
  CHECK(error("lm_head", tied, "x").ends_with("hint: x"));
  CHECK(error("embed_token", tied) ==
        "Full.freeze \"embed_token\" selects nothing of the model; hint: \"embed_tokens\" would");
  CHECK(error("down_proj.bias", untied) ==
        "Full.freeze \"down_proj.bias\" selects nothing of the model; hint: \"q_proj.bias\" would");
}
