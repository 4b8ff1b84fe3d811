// SPDX-License-Identifier: Apache-2.0
// Everything of recipes/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/recipes/impl/dpo.ipp"
#include "posttrain/recipes/impl/estimate.ipp"
#include "posttrain/recipes/impl/grpo.ipp"
#include "posttrain/recipes/impl/kto.ipp"
#include "posttrain/recipes/impl/lora_grpo.ipp"
#include "posttrain/recipes/impl/lora_sft.ipp"
#include "posttrain/recipes/impl/osft.ipp"
#include "posttrain/recipes/impl/ppo.ipp"
#include "posttrain/recipes/impl/prompt_tuning_sft.ipp"
#include "posttrain/recipes/impl/recipe.ipp"
#include "posttrain/recipes/impl/reward.ipp"
#include "posttrain/recipes/impl/sft.ipp"
