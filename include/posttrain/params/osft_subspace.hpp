// SPDX-License-Identifier: Apache-2.0
// What orthogonal subspace fine-tuning may change of a matrix: the complements of its leading
// singular vectors.
//
// The vectors of the shorter side are eigenvectors of W Wᵀ or Wᵀ W, in float64; those of the other
// side are W times them. Householder reflections in falling order of the singular values make the
// bases: they divide by no singular value (a matrix of low rank is no special case), and the signs
// of the vectors, which differ from one LAPACK to another, do not matter.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/params/complement.hpp"

namespace posttrain {

/// Along the leading singular vectors in falling order, in float64: orthogonal, of any length.
struct LeadingDirections {
  Tensor left;   // [rows, rank]
  Tensor right;  // [in, rank]
};

/// w [rows, in], any floating dtype; 0 ≤ rank ≤ min(rows, in).
LeadingDirections leading_directions(const Tensor& w, std::int64_t rank);

/// Of the rank leading left (in `rows` dimensions) and right singular vectors.
struct OsftComplements {
  Complement left, right;
};

/// Kept in `type`.
OsftComplements osft_complements(const Tensor& w, std::int64_t rank, at::ScalarType type);

/// The same through a folder of earlier results, found by the content of `w`.
OsftComplements cached_osft_complements(const std::string& folder, const Tensor& w,
                                        std::int64_t rank, at::ScalarType type);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft_subspace_impl.hpp"
#endif
