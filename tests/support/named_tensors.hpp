// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "support/catch.hpp"

namespace posttrain::test {

/// The tensor of this name; the test fails where there is none.
inline Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

/// All of them one behind the other.
inline Tensor flat(const std::vector<NamedTensor>& tensors) {
  Tensors values;
  for (const NamedTensor& tensor : tensors) values.push_back(tensor.value.reshape({-1}));
  return at::cat(values);
}

}  // namespace posttrain::test
