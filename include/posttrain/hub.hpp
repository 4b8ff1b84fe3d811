// SPDX-License-Identifier: Apache-2.0
// Whole runs in one call each, as Training Hub has them: sft(), osft() and their kin.
//
//   #include <posttrain/hub.hpp>
//
//   posttrain::sft({.model_path = "org/name", .data_path = "chats.jsonl",
//                   .ckpt_output_dir = "out"});
#pragma once

#include "posttrain/recipes/dpo.hpp"
#include "posttrain/recipes/grpo.hpp"
#include "posttrain/recipes/kto.hpp"
#include "posttrain/recipes/lora_grpo.hpp"
#include "posttrain/recipes/lora_sft.hpp"
#include "posttrain/recipes/osft.hpp"
#include "posttrain/recipes/ppo.hpp"
#include "posttrain/recipes/prompt_tuning_sft.hpp"
#include "posttrain/recipes/reward.hpp"
#include "posttrain/recipes/sft.hpp"
