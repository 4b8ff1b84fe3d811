// SPDX-License-Identifier: Apache-2.0
// Everything of data/ that is compiled once and needs LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/data/impl/rollout_file.ipp"
#include "posttrain/data/pipeline/impl/stream.ipp"
#include "posttrain/data/rollouts/impl/answer_prompts.ipp"
#include "posttrain/data/rollouts/impl/minibatches.ipp"
#include "posttrain/data/rollouts/impl/rollout_queue.ipp"
#include "posttrain/data/rollouts/impl/shared_answers.ipp"
