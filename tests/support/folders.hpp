// SPDX-License-Identifier: Apache-2.0
// Checkpoint folders of a few tensors.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/hub/save_pretrained.hpp"

namespace posttrain::test {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

inline NamedTensors some_tensors() {
  return {{"b.weight", at::arange(6, at::kFloat).reshape({2, 3})},
          {"a.weight", at::arange(4, at::kFloat).reshape({2, 2}).t()},  // not contiguous
          {"c.weight", at::arange(3, at::kFloat).to(at::kBFloat16)}};
}

/// Equal in type, shape and bits.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(),
                     a.nbytes()) == 0;
}

inline void save_folder(const std::filesystem::path& dir, const io::PretrainedContent& content,
                        const NamedTensors& tensors) {
  std::vector<io::TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) infos.push_back(io::tensor_info(name, tensor));
  io::save_pretrained(dir, content, infos, [&](const io::TensorInfo& info) {
    for (const auto& [name, tensor] : tensors) {
      if (name == info.name) return tensor;
    }
    return Tensor();
  });
}

}  // namespace posttrain::test
