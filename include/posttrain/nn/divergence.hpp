// SPDX-License-Identifier: Apache-2.0
// The generalised Jensen-Shannon divergence between the distributions of rows of logits, a
// teacher's and a student's (arXiv 2306.13649), and its gradient:
//
//   β = 0       KL(teacher ‖ student)
//   β = 1       KL(student ‖ teacher)
//   between     β KL(teacher ‖ m) + (1 − β) KL(student ‖ m),   m = β teacher + (1 − β) student
//
// In one pass over both rows, and one for the gradient, which takes the teacher's memory: at no
// time is there a third row of the vocabulary's length. TRL: beta of DistillationConfig.
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Rows of logits [n, V] with log Σ exp of each, [n].
struct LogitsOf {
  Tensor logits, lse;
};

/// Per row, [n] float32 (float64 for double logits).
struct RowDivergence {
  Tensor value;
  Tensor student;  // Σ p log(p / q) over the student's p, which the gradient needs
};

/// Computed without a graph.
RowDivergence divergence_rows(const LogitsOf& student, const LogitsOf& teacher, double beta);

/// Overwrites the teacher's logits with the gradient of the student's: that of
/// Σ upstream · value, with upstream [n].
void divergence_backward_(const LogitsOf& student, const LogitsOf& teacher,
                          const RowDivergence& divergence, const Tensor& upstream, double beta);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/divergence.ipp"
#endif
