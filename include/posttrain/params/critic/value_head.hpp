// SPDX-License-Identifier: Apache-2.0
// The critic's head: one number for each hidden row, v = w · h + b.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class ValueHead {
 public:
  /// Zeros, for rows of `width`. `dtype`: float32, or float64.
  ValueHead(std::int64_t width, at::ScalarType dtype, at::Device device, double lr_scale);

  /// rows [n, width] of any floating type → [n]. `anchor`: concepts/gate.hpp.
  Tensor values(const Tensor& rows, const Tensor& anchor) const;

  const ParameterGroup& group() const { return group_; }
  /// "v_head.summary.weight" [1, width] and "v_head.summary.bias" [1], TRL's names: views.
  std::vector<NamedTensor> tensors() const;
  std::vector<NamedTensor> gradients() const;

  void save(const std::string& file) const;
  /// Throws one line for a file without these tensors, with others, or of another width.
  void load(const std::string& file);

 private:
  ParameterGroup group_;
  ParameterView weight_, bias_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/critic/impl/value_head.ipp"
#endif
