// SPDX-License-Identifier: Apache-2.0
// Frequencies are dumped from transformers 5.23 (`<Family>RotaryEmbedding(config).inv_freq`).
#include "posttrain/models/families/rope.hpp"

#include <string>
#include <vector>

#include "support/model_config.hpp"

using namespace posttrain::test;
using posttrain::Json;

namespace {

// Dumped values have nine digits, so equality of floats can be asked for; one unit in the last
// place is left to other implementations of pow.
void check_frequencies(const std::vector<float>& ours, const std::vector<float>& expected) {
  REQUIRE(ours.size() >= expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("frequency " << i);
    CHECK(ours[i] == Approx(expected[i]).epsilon(2e-7).margin(0.0));
  }
}

}  // namespace

TEST_CASE("rotary frequencies equal those of transformers in both layouts") {
  const auto old_layout = read_config(small_config("llama", {{"rope_theta", 10000.0}})).ropes[0];
  const auto new_layout =
      read_config(small_config("llama", {{"rope_parameters",
                                          {{"rope_type", "default"}, {"rope_theta", 1e4}}}}))
          .ropes[0];
  const std::vector<float> plain = {1,
                                    0.316227764F,
                                    0.100000001F,
                                    0.0316227786F,
                                    0.00999999978F,
                                    0.00316227786F,
                                    0.00100000005F,
                                    0.000316227786F};
  check_frequencies(old_layout.inv_freq, plain);
  check_frequencies(new_layout.inv_freq, plain);
  CHECK(old_layout.inv_freq.size() == 8);
  CHECK(old_layout.at_length(100000) == old_layout.inv_freq);

  const auto linear =
      read_config(small_config("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2.5}}}}))
          .ropes[0];
  check_frequencies(linear.inv_freq,
                    {0.400000006F, 0.1264911F, 0.0399999991F, 0.0126491114F, 0.00399999972F,
                     0.00126491114F, 0.000400000019F, 0.000126491112F});
}

TEST_CASE("dynamic frequencies follow the length beyond max_position_embeddings") {
  const auto rope =
      read_config(
          small_config("llama", {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}}))
          .ropes[0];
  CHECK(rope.dynamic);
  CHECK(rope.at_length(64) == rope.inv_freq);
  check_frequencies(rope.at_length(100),
                    {1, 0.283945143F, 0.0806248412F, 0.0228930302F, 0.00650036521F, 0.001845747F,
                     0.000524090894F, 0.000148813066F});
  check_frequencies(rope.at_length(5000),
                    {1, 0.153813854F, 0.0236587059F, 0.00363903702F, 0.000559734297F,
                     8.60949003e-05F, 1.32425903e-05F, 2.03689387e-06F});
}

TEST_CASE("llama3 frequencies equal those of transformers") {
  const auto rope =
      read_config(small_config("llama", {{"head_dim", 64},
                                         {"rope_theta", 500000.0},
                                         {"rope_scaling",
                                          {{"rope_type", "llama3"},
                                           {"factor", 8.0},
                                           {"low_freq_factor", 1.0},
                                           {"high_freq_factor", 4.0},
                                           {"original_max_position_embeddings", 32}}}}))
          .ropes[0];
  check_frequencies(rope.inv_freq, {1, 0.543540716F, 0.21466738F, 0.0781481639F, 0.0242403448F,
                                    0.0160859227F, 0.0106746377F, 0.00708370237F, 0.00470075384F});
  CHECK(rope.inv_freq[31] == Approx(3.7673226e-07F));
  CHECK_FALSE(rope.dynamic);
}

TEST_CASE("yarn frequencies and attention factor equal those of transformers") {
  Json scaling = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  const auto plain =
      read_config(small_config("llama", {{"head_dim", 64}, {"rope_scaling", scaling}})).ropes[0];
  CHECK(plain.attention_factor == Approx(1.138629436111989));
  check_frequencies(plain.inv_freq, {1, 0.60928905F, 0.351463318F, 0.18449223F, 0.079056941F,
                                     0.0592843406F, 0.0444569848F, 0.0333380364F});
  scaling.update({{"mscale", 0.7},
                  {"mscale_all_dim", 1.3},
                  {"truncate", false},
                  {"beta_fast", 16},
                  {"beta_slow", 2}});
  const auto full =
      read_config(small_config("llama", {{"head_dim", 64}, {"rope_scaling", scaling}})).ropes[0];
  CHECK(full.attention_factor == Approx(0.9295234923939468));
  check_frequencies(full.inv_freq, {1, 0.18747355F, 0.140585333F, 0.105424128F});
}

TEST_CASE("longrope switches between its two lists at the original length") {
  const Json changes = {{"partial_rotary_factor", 0.75},
                        {"max_position_embeddings", 128},
                        {"original_max_position_embeddings", 64},
                        {"rope_scaling",
                         {{"type", "su"},
                          {"short_factor", {1.0, 1.1, 1.2, 1.3, 1.4, 1.5}},
                          {"long_factor", {2.0, 3.0, 4.0, 5.0, 6.0, 7.0}}}}};
  const auto rope = read_config(small_config("phi3", changes)).ropes[0];
  CHECK(rope.rotary_dim == 12);
  CHECK(rope.attention_factor == Approx(1.0801234497346435));
  check_frequencies(rope.at_length(64), {1, 0.195857689F, 0.0386799015F, 0.0076923077F,
                                         0.00153888157F, 0.000309439318F});
  check_frequencies(rope.at_length(65), {0.5F, 0.0718144849F, 0.011603971F, 0.00200000009F,
                                         0.000359072379F, 6.63084211e-05F});
  Json short_list = changes;
  short_list["rope_scaling"]["short_factor"] = {1.0};
  CHECK(contains(refusal_of(small_config("phi3", short_list)),
                 "expected short_factor to list 6 numbers"));
}
