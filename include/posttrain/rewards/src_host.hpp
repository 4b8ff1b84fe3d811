// SPDX-License-Identifier: Apache-2.0
// Everything of rewards/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/rewards/impl/choice.ipp"
#include "posttrain/rewards/impl/command.ipp"
#include "posttrain/rewards/impl/format_tags.ipp"
#include "posttrain/rewards/impl/json_schema.ipp"
#include "posttrain/rewards/impl/math_answer.ipp"
#include "posttrain/rewards/impl/numeric_answer.ipp"
#include "posttrain/rewards/impl/pattern.ipp"
#include "posttrain/rewards/impl/pool.ipp"
#include "posttrain/rewards/impl/repetition.ipp"
#include "posttrain/rewards/impl/reward_sum.ipp"
#include "posttrain/rewards/impl/tool_call.ipp"
#include "posttrain/rewards/math/impl/big_integer.ipp"
#include "posttrain/rewards/math/impl/compare.ipp"
#include "posttrain/rewards/math/impl/evaluate.ipp"
#include "posttrain/rewards/math/impl/expression.ipp"
#include "posttrain/rewards/math/impl/lexer.ipp"
#include "posttrain/rewards/math/impl/parser.ipp"
#include "posttrain/rewards/math/impl/plain_symbols.ipp"
#include "posttrain/rewards/math/impl/rational.ipp"
#include "posttrain/rewards/math/impl/scalar.ipp"
#include "posttrain/rewards/math/impl/stated_answer.ipp"
#include "posttrain/rewards/math/impl/vocabulary.ipp"
#include "posttrain/rewards/process/impl/run_process.ipp"
#include "posttrain/rewards/process/impl/scratch_folder.ipp"
#include "posttrain/rewards/text/impl/boxes.ipp"
#include "posttrain/rewards/text/impl/canonical_json.ipp"
#include "posttrain/rewards/text/impl/decimal.ipp"
#include "posttrain/rewards/text/impl/number_text.ipp"
#include "posttrain/rewards/text/impl/parts.ipp"
