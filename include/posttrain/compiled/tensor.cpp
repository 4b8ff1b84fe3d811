// SPDX-License-Identifier: Apache-2.0
// The compiled library: the other kernels, those of optimizers included (base/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/batch/answers_impl.hpp"
#include "posttrain/batch/pairs_impl.hpp"
#include "posttrain/batch/rewards_impl.hpp"
#include "posttrain/batch/tokens_impl.hpp"
#include "posttrain/batch/virtual_tokens_impl.hpp"
#include "posttrain/nn/cpu/softmax_rows_impl.hpp"
#include "posttrain/nn/dropout_impl.hpp"
#include "posttrain/nn/gated_activation_impl.hpp"
#include "posttrain/nn/gemm_impl.hpp"
#include "posttrain/nn/heads_impl.hpp"
#include "posttrain/nn/layer_norm_impl.hpp"
#include "posttrain/nn/linear_impl.hpp"
#include "posttrain/nn/lm_head_impl.hpp"
#include "posttrain/nn/neftune_impl.hpp"
#include "posttrain/nn/rms_norm_impl.hpp"
#include "posttrain/nn/rotary_impl.hpp"
#include "posttrain/nn/soft_cap_impl.hpp"
#include "posttrain/optim/adamw_8bit_impl.hpp"
#include "posttrain/optim/adamw_impl.hpp"
#include "posttrain/storage/quantize_8bit_impl.hpp"
#include "posttrain/storage/quantize_nf4_impl.hpp"
#include "posttrain/tensor/differentiable_impl.hpp"
