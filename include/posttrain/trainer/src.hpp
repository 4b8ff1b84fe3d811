// SPDX-License-Identifier: Apache-2.0
// Everything of trainer/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/trainer/impl/checkpoints.ipp"
#include "posttrain/trainer/impl/gradient_sum.ipp"
#include "posttrain/trainer/impl/reference_scores.ipp"
#include "posttrain/trainer/impl/shards.ipp"
#include "posttrain/trainer/impl/stored_state.ipp"
#include "posttrain/trainer/impl/team.ipp"
#include "posttrain/trainer/run/impl/footprint.ipp"
#include "posttrain/trainer/run/impl/run_card.ipp"
