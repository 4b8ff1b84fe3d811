// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/member_names.hpp"

#include <array>

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

struct Members {
  int max_tokens_per_gpu, ckpt_output_dir, lora_r, num_generations, learning_rate, seed;
};
constexpr std::array kFields{field<&Members::max_tokens_per_gpu>("", "a"),
                             field<&Members::ckpt_output_dir>("", "b"),
                             field<&Members::lora_r>("", "c"),
                             field<&Members::num_generations>("", "d"),
                             field<&Members::learning_rate>("", "e"),
                             field<&Members::seed>("", "f")};

std::string named(std::string_view text) { return in_member_names(text, kFields); }

}  // namespace

TEST_CASE("an error of a Trainer names a recipe's members", "[recipes]") {
  CHECK(named("x does not fit max_tokens_per_batch = 4096; hint: raise max_tokens_per_batch, or") ==
        "x does not fit max_tokens_per_gpu = 4096; hint: raise max_tokens_per_gpu, or");
  CHECK(named("expected Rollouts.group_size to divide Options.learning_rate.") ==
        "expected num_generations to divide learning_rate.");
  CHECK(named("run_dir a/run_dir is in use by process 5; hint: choose another run_dir, or wait") ==
        "ckpt_output_dir a/run_dir is in use by process 5; hint: choose another ckpt_output_dir, "
        "or wait");
  CHECK(named("posttrain: Lora.rank must be at least 1") == "posttrain: lora_r must be at least 1");
  CHECK(named("Options::seed: 3, options.seed: 3") == "seed: 3, seed: 3");
}

TEST_CASE("what no member sets keeps its name, and so do paths and plain words", "[recipes]") {
  for (const char* text :
       {"Options.resume = false", "Lora.alpha", "sampling.seed", "a rank of the seed, group_sized",
        "out/run_dir/max_tokens_per_batch.json:3: no learning-rate", "./run_dir", "",
        "name: \"Options\"", "https://a.b/run_dir"}) {
    CHECK(named(text) == text);
  }
}

TEST_CASE("errors of a run are thrown on by members' names, results are given back", "[recipes]") {
  CHECK(naming_members(kFields, [] { return 7; }) == 7);
  CHECK(error_of([] {
          naming_members(kFields, [] { fail("posttrain: Options.run_dir is empty"); });
        }) == "posttrain: ckpt_output_dir is empty");
}
