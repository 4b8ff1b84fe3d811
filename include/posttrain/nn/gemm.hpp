// SPDX-License-Identifier: Apache-2.0
// The matrix products of training: y = x wᵀ, dx = dy w, dw += dyᵀ x, and y += a b of adapters.
//
// In float32, at::mm goes to the BLAS that LibTorch was built with (MKL), which is up to twice
// slower than oneDNN in the same library on processors of another maker. oneDNN is reached through
// an exported but undocumented function of LibTorch; the build defines POSTTRAIN_HAS_MKLDNN_MATMUL
// where it links. bfloat16 takes oneDNN inside at::mm anyway, where the processor multiplies it.
// Where it does not, LibTorch has no such product but a loop (50 times slower than float32): there
// panels of the operands are widened to float32, multiplied as such and rounded once.
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// x wᵀ: [m, k] times [n, k] gives [m, n]. Strided views are fine. Computed without a graph.
Tensor matmul_nt(const Tensor& x, const Tensor& w);

/// a b: [m, k] times [k, n] gives [m, n]. Strided views are fine. Computed without a graph.
Tensor matmul_nn(const Tensor& a, const Tensor& b);

/// acc += a b: a [m, k], b [k, n], acc [m, n] (strided is fine), all of one dtype.
void accumulate_nn(const Tensor& acc, const Tensor& a, const Tensor& b);

/// acc += dyᵀ x: dy [m, n], x [m, k], acc [n, k] (strided is fine) in the inputs' dtype or float32.
/// bfloat16 inputs with a float32 acc: the product is rounded to bfloat16, then added in float32;
/// or, from widened panels, added as it is.
void accumulate_tn(const Tensor& acc, const Tensor& dy, const Tensor& x);

/// How products of this dtype on the CPU are computed: "native", or "float32" where panels are
/// widened. POSTTRAIN_HALF_PRODUCTS=native or float32 in the environment fixes it.
const char* half_products(at::ScalarType dtype);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/gemm.ipp"
#endif
