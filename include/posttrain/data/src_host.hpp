// SPDX-License-Identifier: Apache-2.0
// Everything of data/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/data/formats/impl/columns.ipp"
#include "posttrain/data/formats/impl/format_reader.ipp"
#include "posttrain/data/formats/impl/reader.ipp"
#include "posttrain/data/formats/impl/records.ipp"
#include "posttrain/data/formats/impl/tool_nulls.ipp"
#include "posttrain/data/impl/documents.ipp"
#include "posttrain/data/impl/messages.ipp"
#include "posttrain/data/impl/tokenized.ipp"
#include "posttrain/data/pipeline/impl/packing.ipp"
#include "posttrain/data/pipeline/impl/pair_loading.ipp"
#include "posttrain/data/pipeline/impl/read_files.ipp"
#include "posttrain/data/pipeline/impl/report.ipp"
#include "posttrain/data/pipeline/impl/sequence_store.ipp"
#include "posttrain/data/pipeline/impl/step_loading.ipp"
#include "posttrain/data/pipeline/impl/supervised.ipp"
#include "posttrain/data/rollouts/impl/best_and_worst.ipp"
#include "posttrain/data/rollouts/impl/best_samples.ipp"
#include "posttrain/data/rollouts/impl/prompt_loading.ipp"
#include "posttrain/data/rollouts/impl/prompt_order.ipp"
#include "posttrain/data/rollouts/impl/ranked_samples.ipp"
#include "posttrain/data/rollouts/impl/rollout_lines.ipp"
#include "posttrain/data/rollouts/impl/rollout_metrics.ipp"
#include "posttrain/data/rollouts/impl/turns.ipp"
