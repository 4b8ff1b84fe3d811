// SPDX-License-Identifier: Apache-2.0
// Trainable parameters as flat buffers: what an optimizer and a checkpoint see of a policy's state.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// One flat buffer. The model computes with views of `value`; the optimizer updates `master`, which
/// is the same tensor unless the compute dtype is narrower than fp32.
struct ParameterGroup {
  std::string name;       // unique within a policy ("matrices", "vectors", …)
  Tensor value;           // [n] compute dtype
  Tensor master;          // [n] fp32 (fp64 if the compute dtype is fp64)
  Tensor grad;            // [n] dtype of master
  bool decay = true;      // weight decay applies (matrices, not norms and biases)
  double lr_scale = 1.0;  // factor on the optimizer's learning rate (LoRA+)
  // Of a rank's slice of a group (trainer/shards.hpp): the elements of the group; 0: this is all.
  std::int64_t whole = 0;

  std::int64_t whole_size() const { return whole > 0 ? whole : value.numel(); }
};

/// A tensor as a policy holds it. Frozen: `value` alone. Trained: views of one ParameterGroup.
struct ParameterView {
  Tensor value;   // compute dtype
  Tensor master;  // updated by the optimizer
  Tensor grad;

  bool trained() const { return grad.defined(); }
  /// The most exact copy.
  const Tensor& exact() const { return master.defined() ? master : value; }
};

/// A view of one tensor of the checkpoint, in the checkpoint's shape.
struct NamedTensor {
  std::string name;
  Tensor value;
};

/// A tensor of a checkpoint, or the part of a flat one from element `begin` on.
struct NamedSlice {
  std::string name;
  Tensor value;
  std::int64_t begin = 0;
  std::int64_t whole = -1;  // elements of the flat one; −1: this is all

  bool is_part() const { return whole >= 0; }
};

/// The tensors of one stored matrix by what follows its name: "" (the codes), "absmax", …
using PackedTensors = std::map<std::string, Tensor>;

/// bf16 and fp16 keep fp32 masters, fp32 and fp64 are their own.
inline at::ScalarType master_dtype(at::ScalarType compute) {
  return compute == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace posttrain
