// SPDX-License-Identifier: Apache-2.0
// The compiled library: the other kernels, those of optimizers included (core/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/optim/adamw_8bit_impl.hpp"
#include "posttrain/optim/adamw_impl.hpp"
#include "posttrain/tensor/batch_impl.hpp"
#include "posttrain/tensor/differentiable_impl.hpp"
#include "posttrain/tensor/gated_activation_impl.hpp"
#include "posttrain/tensor/gemm_impl.hpp"
#include "posttrain/tensor/heads_impl.hpp"
#include "posttrain/tensor/judged_batch_impl.hpp"
#include "posttrain/tensor/keyed_dropout_impl.hpp"
#include "posttrain/tensor/layer_norm_impl.hpp"
#include "posttrain/tensor/linear_impl.hpp"
#include "posttrain/tensor/lm_head_impl.hpp"
#include "posttrain/tensor/neftune_impl.hpp"
#include "posttrain/tensor/preference_batch_impl.hpp"
#include "posttrain/tensor/quantize_8bit_impl.hpp"
#include "posttrain/tensor/quantize_nf4_impl.hpp"
#include "posttrain/tensor/reward_batch_impl.hpp"
#include "posttrain/tensor/rms_norm_impl.hpp"
#include "posttrain/tensor/rotary_impl.hpp"
#include "posttrain/tensor/soft_cap_impl.hpp"
#include "posttrain/tensor/softmax_rows_impl.hpp"
#include "posttrain/tensor/virtual_tokens_impl.hpp"
