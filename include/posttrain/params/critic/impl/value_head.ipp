// SPDX-License-Identifier: Apache-2.0
// Definitions of value_head.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/params/critic/value_head.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

POSTTRAIN_INLINE ValueHead::ValueHead(std::int64_t width, at::ScalarType dtype, at::Device device,
                                      double lr_scale) {
  ParameterBuffer buffer;
  const int weight = buffer.add({1, width}), bias = buffer.add({1});
  group_ = buffer.allocate("critic", dtype, device, /*decay=*/false);
  group_.lr_scale = lr_scale;
  weight_ = buffer.view(weight);
  bias_ = buffer.view(bias);
}

POSTTRAIN_INLINE Tensor ValueHead::values(const Tensor& rows, const Tensor& anchor) const {
  const Tensor exact = rows.to(weight_.value.scalar_type());
  return linear(exact, {weight_.value, bias_.value, weight_.grad, bias_.grad, anchor}).flatten();
}

POSTTRAIN_INLINE std::vector<NamedTensor> ValueHead::tensors() const {
  return {{"v_head.summary.weight", weight_.master}, {"v_head.summary.bias", bias_.master}};
}

POSTTRAIN_INLINE std::vector<NamedTensor> ValueHead::gradients() const {
  return {{"v_head.summary.weight", weight_.grad}, {"v_head.summary.bias", bias_.grad}};
}

POSTTRAIN_INLINE void ValueHead::save(const std::string& file) const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const NamedTensor& tensor : tensors()) all.emplace_back(tensor.name, tensor.value);
  io::save_tensors(file, all);
}

POSTTRAIN_INLINE void ValueHead::load(const std::string& file) {
  at::NoGradGuard no_grad;
  const std::map<std::string, Tensor> found = io::load_tensors(file);
  const std::vector<NamedTensor> own = tensors();
  if (found.size() != own.size()) {
    raise("{}: expected a critic's head, {} tensors, got {}; hint: save_critic writes one", file,
          own.size(), found.size());
  }
  for (const NamedTensor& tensor : own) {
    const auto at = found.find(tensor.name);
    if (at == found.end()) {
      raise("{}: expected a critic's head with '{}', found none; hint: save_critic writes one",
            file, tensor.name);
    }
    if (at->second.sizes() != tensor.value.sizes()) {
      raise("{}: '{}': expected shape {}, got {}; hint: is the critic of another model?", file,
            tensor.name, io::format_shape(tensor.value.sizes().vec()),
            io::format_shape(at->second.sizes().vec()));
    }
    tensor.value.copy_(at->second);
  }
}

}  // namespace posttrain
