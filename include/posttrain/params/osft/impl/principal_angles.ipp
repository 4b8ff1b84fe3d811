// SPDX-License-Identifier: Apache-2.0
// Definitions of principal_angles.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/params/osft/principal_angles.hpp"
#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

POSTTRAIN_INLINE std::vector<double> principal_angles(const Tensor& a, const Tensor& b) {
  at::NoGradGuard no_grad;
  if (a.dim() != 2 || b.dim() != 2 || a.size(0) != b.size(0)) {
    raise("expected two bases of one space, [n, k] and [n, l], got {} and {}", shape_text(a),
          shape_text(b));
  }
  // The smaller one goes first: each of its directions has an angle.
  Tensor p = a.to(at::kCPU, at::kDouble), q = b.to(at::kCPU, at::kDouble);
  if (p.size(1) > q.size(1)) std::swap(p, q);
  const std::int64_t count = p.size(1);
  if (count == 0) return {};
  for (const Tensor& basis : {p, q}) {
    const Tensor gram = basis.t().matmul(basis);
    const double off = (gram - at::eye(gram.size(0), gram.options())).abs().max().item<double>();
    if (!(off < 1e-3)) {
      raise(
          "principal_angles: the columns of {} are not orthonormal (off by {:.1e}); hint: "
          "at::linalg_qr makes them so",
          shape_text(basis), off);
    }
  }
  const Tensor overlap = q.t().matmul(p);  // [l, k]
  const auto singular_values = [&](const Tensor& m) {
    const Tensor s = std::get<1>(at::linalg_svd(m, /*full_matrices=*/false)).contiguous();
    std::vector<double> values(s.const_data_ptr<double>(), s.const_data_ptr<double>() + s.numel());
    values.resize(static_cast<std::size_t>(count), 0.0);
    for (double& value : values) value = std::min(value, 1.0);
    return values;
  };
  const std::vector<double> cosines = singular_values(overlap);
  const std::vector<double> sines = singular_values(p - q.matmul(overlap));
  std::vector<double> angles;
  for (std::size_t i = 0; i < cosines.size(); ++i) {
    const double sine = sines[sines.size() - 1 - i];
    angles.push_back(cosines[i] * cosines[i] < 0.5 ? std::acos(cosines[i]) : std::asin(sine));
  }
  return angles;
}

POSTTRAIN_INLINE ProtectedSubspaces protected_subspaces(const Tensor& w, std::int64_t rank) {
  at::NoGradGuard no_grad;
  const LeadingDirections leading = leading_directions(w, rank);
  // Householder's QR of vectors in falling order keeps each span.
  return {std::get<0>(at::linalg_qr(leading.left)), std::get<0>(at::linalg_qr(leading.right))};
}

}  // namespace posttrain
