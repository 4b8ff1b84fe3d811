// SPDX-License-Identifier: Apache-2.0
// How far two subspaces lie apart, and the subspaces that orthogonal subspace fine-tuning protects:
// what a report of forgetting shows of a weight before and after training.
//
//   const ProtectedSubspaces before = protected_subspaces(w0, k), after = protected_subspaces(w,
//   k); principal_angles(before.left, after.left)     // all 0: the same subspace
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// The principal angles between the spans of a [n, k] and b [n, l], whose columns are orthonormal:
/// min(k, l) values in radians from 0 to π/2, rising. Computed in float64 from cosines where they
/// are above 45 degrees and from sines below (Björck and Golub 1973), so that small ones are as
/// exact as large ones; a column set that is not orthonormal to 1e-3 is refused.
std::vector<double> principal_angles(const Tensor& a, const Tensor& b);

/// Orthonormal bases of the leading singular subspaces of a matrix.
struct ProtectedSubspaces {
  Tensor left;   // [rows, rank], float64
  Tensor right;  // [in, rank], float64
};

/// w [rows, in], any floating dtype; 0 ≤ rank ≤ min(rows, in). Column i is the i-th singular vector
/// up to its sign; where w's own rank is lower, the rest are directions orthogonal to these.
ProtectedSubspaces protected_subspaces(const Tensor& w, std::int64_t rank);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft/impl/principal_angles.ipp"
#endif
