// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/options.hpp"

#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::detail;

TEST_CASE("a list of patterns names an item itself, not something like it", "[params][lora]") {
  static_assert(lists("all-linear", "all-linear"));
  static_assert(lists("embed_tokens , all-linear", "all-linear"));
  static_assert(!lists("all-linear-layers, q_proj", "all-linear"));
  static_assert(!lists("", "all-linear"));
  CHECK(module_of("model.norm.weight") == "model.norm");
  CHECK(module_of("model.norm.bias") == "model.norm.bias");
  CHECK(module_of(".weight").empty());
}

TEST_CASE("a pattern gives its own number, and any other name the common one", "[params][lora]") {
  const char* entries = "k_proj=2, layers.1=6";
  CHECK(number_for<std::int64_t>(entries, "model.layers.0.self_attn.k_proj", 4) == 2);
  CHECK(number_for<std::int64_t>(entries, "model.layers.1.mlp.up_proj", 4) == 6);
  CHECK(number_for<std::int64_t>(entries, "model.layers.0.mlp.up_proj", 4) == 4);
  CHECK(number_for("q=0.5", "q", 8.0) == 0.5);
  for (const char* bad : {"q=x", "q=0", "q=-1", "q=3x", "q="}) {
    CHECK_THROWS_WITH(
        number_for<std::int64_t>(bad, "q", 4),
        "expected \"pattern=number, …\" with positive numbers, got \"" + std::string(bad) + "\"");
  }
}
