// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/save_adapter.hpp"

#include "posttrain/recipes/lora_sft.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

struct FakeAdapters {
  std::vector<int> adapters() const { return {}; }
};

/// Says how it was asked to save.
struct FakeTrainer {
  mutable std::string saved{};
  FakeAdapters state_{};

  const FakeAdapters& state() const { return state_; }
  void save(const std::string& folder) const { saved = "model in " + folder; }
  void check_save(const std::string& folder) const { saved = "checked " + folder; }
};

void save(const FakeTrainer&, const std::string& folder, const std::string& base) {
  raise("adapter of {} in {}", base, folder);
}

}  // namespace

TEST_CASE("an adapter is saved by itself, or the model that it is applied to", "[recipes]") {
  const FakeTrainer trainer;
  CHECK(error_of([&] { SaveAdapter{"org/name"}(trainer, "out"); }) == "adapter of org/name in out");
  SaveAdapter{"org/name", true}(trainer, "out");
  CHECK(trainer.saved == "model in out");
  SaveAdapter{"org/name", true}.check(trainer, "there");
  CHECK(trainer.saved == "checked there");
}

TEST_CASE("an adapter's place is looked at before the work", "[recipes]") {
  const TempFolder scratch;
  const FakeTrainer trainer;
  CHECK_NOTHROW(SaveAdapter{"base"}.check(trainer, (scratch / "new").string()));
  CHECK_FALSE(std::filesystem::exists(scratch / "new"));
  const std::string file = scratch.write("file", "text");
  CHECK(contains(error_of([&] { SaveAdapter{"base"}.check(trainer, file); }),
                 "expected a folder or nothing at "));
}

TEST_CASE("a folder holds an adapter or the model that it is applied to", "[recipes]") {
  const TempFolder scratch;
  const std::string folder = scratch.path().string();
  scratch.write("config.json", "{}");
  CHECK(SaveAdapter{"base", true}.holds(folder));
  CHECK_FALSE(SaveAdapter{"base"}.holds(folder));
  scratch.write("adapter_config.json", "{}");
  CHECK(SaveAdapter{"base"}.holds(folder));
  CHECK_FALSE(SaveAdapter{"base", true}.holds(folder));
}

TEST_CASE("a recipe's members are the fields of its LoRA policy", "[recipes]") {
  const Lora lora = lora_policy(LoraSftOptions{.lora_r = 4,
                                               .lora_alpha = 3,
                                               .lora_dropout = 0.25,
                                               .target_modules = "q_proj",
                                               .modules_to_save = "norm",
                                               .rank_pattern = "a=1",
                                               .alpha_pattern = "b=2",
                                               .use_rslora = true,
                                               .use_dora = true,
                                               .init_lora_weights = "pissa",
                                               .loraplus_lr_ratio = 16,
                                               .seed = 5});
  CHECK(describe(lora) == describe(Lora{.rank = 4,
                                        .alpha = 3,
                                        .dropout = 0.25,
                                        .target_modules = "q_proj",
                                        .rank_pattern = "a=1",
                                        .alpha_pattern = "b=2",
                                        .use_rslora = true,
                                        .use_dora = true,
                                        .init = LoraInit::pissa,
                                        .modules_to_save = "norm",
                                        .loraplus_lr_ratio = 16,
                                        .seed = 5}));
}
