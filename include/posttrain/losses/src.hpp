// SPDX-License-Identifier: Apache-2.0
// Everything of losses/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/losses/impl/bradley_terry.ipp"
#include "posttrain/losses/impl/length_desensitized.ipp"
#include "posttrain/losses/impl/next_token.ipp"
#include "posttrain/losses/impl/step_reward.ipp"
#include "posttrain/losses/policy/impl/advantage.ipp"
#include "posttrain/losses/policy/impl/covariance_clip.ipp"
#include "posttrain/losses/policy/impl/covariance_kl.ipp"
#include "posttrain/losses/policy/impl/gae.ipp"
#include "posttrain/losses/policy/impl/importance.ipp"
#include "posttrain/losses/policy/impl/measures.ipp"
#include "posttrain/losses/policy/impl/sequence_ratio.ipp"
#include "posttrain/losses/policy/impl/tokens.ipp"
#include "posttrain/losses/policy/impl/value_error.ipp"
#include "posttrain/losses/terms/impl/answer_scores.ipp"
#include "posttrain/losses/terms/impl/counterparts.ipp"
#include "posttrain/losses/terms/impl/pair_scores.ipp"
