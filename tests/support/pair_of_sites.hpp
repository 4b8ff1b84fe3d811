// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "support/kernels.hpp"

namespace posttrain::test {

/// A fused site with biases and a transposed part.
struct PairOfSites {
  at::ScalarType type = at::kDouble;
  std::int64_t width = 8;

  Layout layout() const {
    Layout all;
    all.sites = {{{{"q", width, false}, {"k", 4, false}}, width, true},
                 {{{"conv", 20, true}}, width, false}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  at::Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
                  bool random) const {
    if (!random) return at::full(shape, initial + 0.1, at::kDouble);
    return kernel_test::normal(shape, static_cast<unsigned char>(name[0]));
  }
};

}  // namespace posttrain::test
