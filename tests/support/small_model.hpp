// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "support/kernels.hpp"

namespace posttrain::test {

/// One of everything: a table with a padding row, a fused site with biases, a transposed part, a
/// tied head, a norm.
struct SmallModel {
  at::ScalarType type = at::kDouble;
  bool tied = true;

  Layout layout() const {
    Layout all;
    all.tables = {{"embed.weight", 6, 4, 2}};
    all.sites = {{{{"q", 4, false}, {"k", 2, false}}, 4, true},
                 {{{"conv", 5, true}}, 4, true},
                 {{{"lm_head", 6, false}}, 4, false, tied ? 0 : -1}};
    all.vectors = {{"norm.weight", 4, 1.0}, {"norm.bias", 4, 0.0}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  at::Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
                  bool random) const {
    if (!random) return at::full(shape, initial, at::kDouble);
    return kernel_test::normal(shape, name.size() + 10);
  }
};

}  // namespace posttrain::test
