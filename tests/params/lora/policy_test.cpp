// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/policy.hpp"

#include <cmath>

#include "posttrain/base/describe.hpp"
#include "posttrain/storage/nf4.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Lora = BasicLora<>;
const SiteSpec kLayer{}, kHead{{}, 0, false, -1, /*head=*/true};
constexpr const char* kQuery = "layers.0.q_proj";

}  // namespace

TEST_CASE("all linear layers are targets but the head, which has to be named", "[params][lora]") {
  CHECK(Lora{}.targets(kLayer, kQuery));
  CHECK_FALSE(Lora{}.targets(kHead, "lm_head"));
  CHECK(Lora{.target_modules = "all-linear, lm_head"}.targets(kHead, "lm_head"));
  CHECK_FALSE(Lora{.target_modules = "v_proj"}.targets(kLayer, kQuery));
  CHECK_FALSE(Lora{.exclude_modules = "layers.0"}.targets(kLayer, kQuery));
  const TableSpec table{"model.embed_tokens.weight", 10, 4};
  CHECK_FALSE(Lora{}.targets(table));
  CHECK(Lora{.target_modules = "embed_tokens"}.targets(table));
}

TEST_CASE("the scale is alpha over the rank or over its root", "[params][lora]") {
  const Lora lora{.rank = 4, .alpha = 6, .rank_pattern = "k_proj=9", .alpha_pattern = "v_proj=8"};
  CHECK(lora.scale_of(kQuery) == 1.5);
  CHECK(lora.rank_of("layers.1.k_proj") == 9);
  CHECK(lora.scale_of("layers.1.k_proj") == 6.0 / 9.0);
  CHECK(lora.scale_of("layers.1.v_proj") == 2.0);
  Lora stable = lora;
  stable.use_rslora = true;
  CHECK(stable.scale_of("layers.1.k_proj") == 2.0);
  CHECK(stable.scale_of(kQuery) == 3.0);
}

TEST_CASE("a policy keeps all of its fields on another storage", "[params][lora]") {
  const Lora lora{.rank = 3,
                  .alpha = 5,
                  .dropout = 0.25,
                  .target_modules = "q_proj",
                  .exclude_modules = "layers.1",
                  .rank_pattern = "k=2",
                  .alpha_pattern = "k=7",
                  .use_rslora = true,
                  .use_dora = true,
                  .init = LoraInit::olora,
                  .loftq_iter = 2,
                  .bias = LoraBias::all,
                  .modules_to_save = "norm",
                  .loraplus_lr_ratio = 16,
                  .seed = 9};
  const auto fields = [](const auto& policy) {
    const std::string text = describe(policy);
    return text.substr(0, text.find(", .storage"));
  };
  CHECK(fields(with_storage(lora, Nf4{})) == fields(lora));
  CHECK(fields(lora) != fields(Lora{}));
}

TEST_CASE("values that mean nothing are refused in the words of the compiler", "[params][lora]") {
  static_assert((Lora{.rank = 1, .alpha = 0.5}.validate(), true));
  static_assert((BasicLora<Nf4>{.init = LoraInit::loftq}.validate(), true));
  CHECK_THROWS_WITH(Lora{.alpha = 0}.validate(), "posttrain: Lora.alpha must be positive");
  CHECK_THROWS_WITH(Lora{.dropout = 1}.validate(), "posttrain: Lora.dropout must be in [0, 1)");
  CHECK_THROWS_WITH(Lora{.dropout = std::nan("")}.validate(),
                    "posttrain: Lora.dropout must be in [0, 1)");
  CHECK_THROWS_WITH(Lora{.loraplus_lr_ratio = 0}.validate(),
                    "posttrain: Lora.loraplus_lr_ratio must be positive");
  CHECK_THROWS_WITH(Lora{.target_modules = ""}.validate(),
                    "posttrain: Lora.target_modules must select something");
}
