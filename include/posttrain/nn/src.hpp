// SPDX-License-Identifier: Apache-2.0
// Everything of nn/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/nn/cpu/impl/softmax_rows.ipp"
#include "posttrain/nn/cuda/impl/flash_attention.ipp"
#include "posttrain/nn/impl/attention.ipp"
#include "posttrain/nn/impl/attention_parts.ipp"
#include "posttrain/nn/impl/divergence.ipp"
#include "posttrain/nn/impl/dropout.ipp"
#include "posttrain/nn/impl/gated_activation.ipp"
#include "posttrain/nn/impl/gemm.ipp"
#include "posttrain/nn/impl/heads.ipp"
#include "posttrain/nn/impl/layer_norm.ipp"
#include "posttrain/nn/impl/linear.ipp"
#include "posttrain/nn/impl/lm_head.ipp"
#include "posttrain/nn/impl/neftune.ipp"
#include "posttrain/nn/impl/packed_matrices.ipp"
#include "posttrain/nn/impl/packed_matrix.ipp"
#include "posttrain/nn/impl/philox.ipp"
#include "posttrain/nn/impl/rms_norm.ipp"
#include "posttrain/nn/impl/rotary.ipp"
