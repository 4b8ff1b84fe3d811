// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/name_pattern.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a pattern is a run of a name's components", "[core]") {
  constexpr std::string_view kName = "model.layers.12.self_attn.q_proj.weight";
  for (const char* pattern :
       {"q_proj", "self_attn.q_proj", "layers.12", "layers.8-15", "model", "*", "q_*", "*_proj",
        "layers.*.self_attn", "weight", "model.layers.12.self_attn.q_proj.weight", "1*"}) {
    INFO(pattern);
    CHECK(matches_pattern(pattern, kName));
  }
  for (const char* pattern :
       {"q", "proj", "layers.1", "layers.0-11", "layers.13-20", "q_proj.bias", "layers.12.q_proj",
        "model.layers.12.self_attn.q_proj.weight.x", ""}) {
    INFO(pattern);
    CHECK_FALSE(matches_pattern(pattern, kName));
  }
  static_assert(matches_pattern("layers.8-15", "layers.8.mlp"));
  CHECK(matches_pattern("a-b", "x.a-b"));  // no numbers: plain text
}

TEST_CASE("lists of patterns are separated by commas", "[core]") {
  CHECK(matches_any("k_proj, q_proj", "layers.0.q_proj"));
  CHECK_FALSE(matches_any("k_proj,v_proj", "layers.0.q_proj"));
  CHECK_FALSE(matches_any("", "layers.0.q_proj"));
  CHECK(value_for("down_proj=4, layers.0-1=32", "layers.1.up_proj") == "32");
  CHECK(value_for("down_proj = 4, layers.0-1=32", "layers.1.down_proj") == "4");
  CHECK(value_for("down_proj=4", "layers.1.up_proj") == std::nullopt);
}
