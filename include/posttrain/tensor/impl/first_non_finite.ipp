// SPDX-License-Identifier: Apache-2.0
// Definitions of first_non_finite.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/tensor/first_non_finite.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE std::string NonFinite::text(std::string_view file) const {
  return fmt::format("{}{}tensor '{}' has {} at [{}]", file, file.empty() ? "" : ": ", name, value,
                     join(index, ", "));
}

POSTTRAIN_INLINE std::optional<NonFinite> first_non_finite(const NamedTensor& tensor) {
  at::NoGradGuard no_grad;
  Tensor t = tensor.value;
  if (!t.defined() || t.numel() == 0 || !at::isFloatingType(t.scalar_type())) return std::nullopt;
  if (t.element_size() == 1) t = t.to(at::kFloat);  // 8-bit floats have neither sum nor isfinite
  // NaN and infinity go through a sum, which takes half the time of looking at each value. A sum
  // that is too large for its type sends finite values on.
  const at::ScalarType wide = t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  if (std::isfinite(at::sum(t, wide).item<double>())) return std::nullopt;
  const Tensor finite = at::isfinite(t);
  if (finite.all().item<bool>()) return std::nullopt;
  // The first of the smallest: false.
  std::int64_t place = at::argmax((finite == 0).to(at::kByte).flatten()).item<std::int64_t>();
  NonFinite found{tensor.name, {}, 0.0};
  found.value = t.flatten()[place].to(at::kDouble).item<double>();
  for (std::int64_t d = t.dim() - 1; d >= 0; --d) {
    found.index.push_back(place % t.size(d));
    place /= t.size(d);
  }
  std::ranges::reverse(found.index);
  return found;
}

}  // namespace posttrain
