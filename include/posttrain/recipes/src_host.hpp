// SPDX-License-Identifier: Apache-2.0
// Everything of recipes/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/recipes/impl/member_names.ipp"
#include "posttrain/recipes/impl/memory_estimate.ipp"
#include "posttrain/recipes/impl/model_folders.ipp"
#include "posttrain/recipes/impl/processed_files.ipp"
#include "posttrain/recipes/impl/reward_function.ipp"
#include "posttrain/recipes/impl/text_data.ipp"
