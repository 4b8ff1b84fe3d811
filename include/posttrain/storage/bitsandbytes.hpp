// SPDX-License-Identifier: Apache-2.0
// How bitsandbytes (and so transformers) lays a 4-bit matrix out in safetensors files:
//
//   X.weight                                codes, [(n + 1) / 2, 1]
//   X.weight.absmax, .quant_map             scales (or their codes) and the 16 values
//   X.weight.nested_absmax, .nested_quant_map       with double quantisation
//   X.weight.quant_state.bitsandbytes__nf4          the rest, as the bytes of a JSON object
//
// A matrix of a transposed part (GPT-2) lies there as [rows, in] like all others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/storage/nf4.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

inline constexpr std::string_view kNf4StateKey = "quant_state.bitsandbytes__nf4";

/// `dtype`: what transformers dequantises to.
std::vector<NamedTensor> pack_nf4(const std::string& name, const Nf4Matrix& matrix,
                                  at::ScalarType dtype);

/// `name` is for errors.
Nf4Matrix unpack_nf4(const std::string& name, const PackedTensors& tensors, at::Device device);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/bitsandbytes.ipp"
#endif
