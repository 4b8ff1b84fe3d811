// SPDX-License-Identifier: Apache-2.0
// All programs of device code that the library has.
#pragma once

#include "posttrain/generate/cuda/draw_rows.hpp"
#include "posttrain/nn/cuda/activation.hpp"
#include "posttrain/nn/cuda/embedding_gradient.hpp"
#include "posttrain/nn/cuda/layer_norm.hpp"
#include "posttrain/nn/cuda/merge_attention.hpp"
#include "posttrain/nn/cuda/philox.hpp"
#include "posttrain/nn/cuda/rms_norm.hpp"
#include "posttrain/nn/cuda/rotary.hpp"
#include "posttrain/nn/cuda/softmax_rows.hpp"
#include "posttrain/optim/cuda/adamw_8bit.hpp"
#include "posttrain/optim/cuda/clip.hpp"
#include "posttrain/storage/cuda/int8.hpp"
#include "posttrain/storage/cuda/nf4.hpp"
#include "support/own_kernel.hpp"

namespace posttrain::test {

inline constexpr const cuda::DeviceProgram* kDevicePrograms[]{
    &cuda::kActivation, &cuda::kAdamW8bit,   &cuda::kClamp,
    &cuda::kClip,       &cuda::kDrawRows,    &cuda::kEmbeddingGradient,
    &cuda::kInt8,       &cuda::kLayerNorm,   &cuda::kMergeAttention,
    &cuda::kNf4,        &cuda::kPhilox,      &cuda::kRmsNorm,
    &cuda::kRotary,     &cuda::kSoftmaxRows,
};

}  // namespace posttrain::test
