// SPDX-License-Identifier: Apache-2.0
// The branch of an operation that a CUDA kernel takes, left out where a program is compiled without
// CUDA.
//
//   POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x), cuda::rms_norm_forward(x, …));
//   …                                                            // plain operations
#pragma once

#ifdef POSTTRAIN_NO_CUDA
#define POSTTRAIN_RETURN_ON_CUDA(condition, ...)
#else
#include "posttrain/tensor/cuda/kernel.hpp"
#define POSTTRAIN_RETURN_ON_CUDA(condition, ...) \
  if (condition) return __VA_ARGS__
#endif
