// SPDX-License-Identifier: Apache-2.0
// A program that calls a recipe.
#include "posttrain/hub.hpp"

double trained() {
  return posttrain::sft({.model_path = "model", .data_path = "data", .ckpt_output_dir = "out"})
      .loss;
}
