// SPDX-License-Identifier: Apache-2.0
// The changes of a matrix that orthogonal subspace fine-tuning allows: the complements of its
// leading singular vectors, and the terms L C Rᵀ that every such change is a sum of.
//
// The vectors of the shorter side are eigenvectors of W Wᵀ or Wᵀ W, in float64; those of the other
// side are W times them. The trailing ones of the shorter side are a basis as they are. Householder
// reflections of the leading ones make those of the longer side: they divide by no singular value
// (a matrix of low rank is no special case). A square matrix that is far from that goes without
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/params/osft/complement.hpp"

namespace posttrain {

/// Conditions on the change of a matrix, with U_h, V_h the protected singular vectors and U, V
/// bases of their complements.
enum class OsftProjection {
  both_sides,  // U_hᵀ ΔW = 0 and ΔW V_h = 0:  ΔW = U C Vᵀ
  joint,  // U_hᵀ ΔW V_h = 0:  ΔW = C Vᵀ + U B V_hᵀ, or U C + U_h B Vᵀ where in > rows
  input_only,  // ΔW V_h = 0:  ΔW = C Vᵀ
};

/// The bases of one term L C Rᵀ.
struct OsftTerm {
  const char* name;
  Complement left, right;
};

/// 128 bits of a tensor's content as text: equal for equal values of one dtype, else different for
/// all practice.
std::string content_key(const Tensor& tensor);

/// Along the leading singular vectors in falling order, in float64: orthogonal, of any length.
struct LeadingDirections {
  Tensor left;   // [rows, rank]
  Tensor right;  // [in, rank]
};

/// w [rows, in], any floating dtype; 0 ≤ rank ≤ min(rows, in).
LeadingDirections leading_directions(const Tensor& w, std::int64_t rank);

/// Leading directions of W G^(1/2), the right ones as inputs G^(1/2) z, not orthogonal in general;
/// second moments `gram` [in, in] = G. A ten-thousandth of G's mean eigenvalue is added to its
/// diagonal, so that W orders what no input showed.
LeadingDirections leading_directions(const Tensor& w, std::int64_t rank, const Tensor& gram);

/// Complements of the rank leading left (in `rows` dimensions) and right singular vectors.
struct OsftComplements {
  Complement left, right;
};

/// Kept in `type`.
OsftComplements osft_complements(const Tensor& w, std::int64_t rank, at::ScalarType type);

/// `osft_complements` through a folder of earlier results, found by the content of `w`: the
/// decomposition is what attaching waits for.
OsftComplements cached_osft_complements(const std::string& folder, const Tensor& w,
                                        std::int64_t rank, at::ScalarType type);

/// Terms whose sum reaches every allowed change once. `kept`: of what is protected; its left side
/// is set to nothing for `input_only`.
std::vector<OsftTerm> osft_terms(OsftComplements& kept, OsftProjection projection,
                                 at::ScalarType type);

/// An orthonormal basis [n, k] of what a complement leaves out, in float64.
Tensor protected_basis(const Complement& complement);

/// Protects what `earlier` does and, of what that leaves free, the leading directions of w, so that
/// `rank` are protected in all.
OsftComplements nested_complements(const Tensor& w, const OsftComplements& earlier,
                                   std::int64_t rank, at::ScalarType type);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft/impl/subspace.ipp"
#endif
