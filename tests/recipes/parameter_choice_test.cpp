// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/parameter_choice.hpp"

#include <string>
#include <type_traits>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/recipes/dpo.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

namespace {

/// The policy, and whether adapters are saved.
std::string chosen(const DpoOptions& options) {
  return with_parameters(options, [](const auto& params, const auto& save) {
    const bool adapters = std::is_same_v<std::remove_cvref_t<decltype(save)>, SaveAdapter>;
    return describe(params) + (adapters ? " adapter" : " model");
  });
}

}  // namespace

TEST_CASE("members choose what trains", "[recipes][parameter_choice]") {
  CHECK(chosen({}) == describe(Full{}) + " model");
  CHECK(chosen({.lora_r = 4, .lora_alpha = 3, .target_modules = "q_proj", .seed = 7}) ==
        describe(Lora{.rank = 4, .alpha = 3, .target_modules = "q_proj", .seed = 7}) + " adapter");
  CHECK(chosen({.lora_r = 4, .load_in_4bit = true}) ==
        describe(QLora{.rank = 4, .alpha = 32, .seed = 42}) + " adapter");
  CHECK(chosen({.unfreeze_rank_ratio = 0.5}) ==
        describe(Osft{.unfreeze_rank_ratio = 0.5}) + " model");
  CHECK(chosen({.unfreeze_rank_ratio = 0.5, .load_in_4bit = true}) ==
        describe(BasicOsft<Nf4>{.unfreeze_rank_ratio = 0.5}) + " model");
}

TEST_CASE("choices that contradict each other are refused", "[recipes][parameter_choice]") {
  using test::error_of;
  CHECK(error_of([] { chosen({.lora_r = 4, .unfreeze_rank_ratio = 0.5}); }) ==
        "expected lora_r or unfreeze_rank_ratio, got both: they choose what trains");
  CHECK(error_of([] { chosen({.load_in_4bit = true}); }) ==
        "load_in_4bit stores what is frozen, and all weights train; hint: lora_r");
}

TEST_CASE("a reference is added where a loss wants one and there is none",
          "[recipes][parameter_choice]") {
  const auto type = [](const auto& params) {
    return std::string(type_name<std::remove_cvref_t<decltype(params)>>());
  };
  CHECK(type(with_reference_for(Dpo{}, Full{})) == "WithFrozenReference");
  CHECK(type(with_reference_for(SimPo{}, Full{})) == "BasicFull");
  CHECK(type(with_reference_for(Dpo{}, Lora{})) == "BasicLora");
}
