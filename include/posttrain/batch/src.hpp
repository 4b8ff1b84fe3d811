// SPDX-License-Identifier: Apache-2.0
// Everything of batch/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/batch/impl/answers.ipp"
#include "posttrain/batch/impl/kept_columns.ipp"
#include "posttrain/batch/impl/pairs.ipp"
#include "posttrain/batch/impl/rewards.ipp"
#include "posttrain/batch/impl/rollouts.ipp"
#include "posttrain/batch/impl/steps.ipp"
#include "posttrain/batch/impl/tokens.ipp"
#include "posttrain/batch/impl/virtual_tokens.ipp"
