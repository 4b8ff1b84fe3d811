// SPDX-License-Identifier: Apache-2.0
// Definitions of divergence.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/divergence.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

// Columns whose partial sums stay in float.
inline constexpr std::int64_t kDivergenceBlock = 2048;

/// Which of the three formulas.
enum class DivergenceForm { forward, reverse, between };

template <class Element>
struct DivergenceRows {
  const Element* student;
  Element* teacher;
  std::int64_t student_stride, teacher_stride, width;
  const float *student_lse, *teacher_lse;
  float beta;
  float *value, *of_student;
  const float* upstream;  // of the gradient
};

/// A token under both, and log of what the student is compared with.
struct DivergenceToken {
  float p, q, log_p, log_q, log_other;
};

template <DivergenceForm form>
POSTTRAIN_ALWAYS_INLINE DivergenceToken divergence_token(float log_p, float log_q, float beta) {
  DivergenceToken token{simd::exp(log_p), simd::exp(log_q), log_p, log_q, log_q};
  if constexpr (form == DivergenceForm::between) {
    // Where both are 0 nothing is multiplied by this logarithm.
    const float mixed = beta * token.q + (1.0F - beta) * token.p;
    token.log_other = simd::log(simd::choose(mixed < 1e-37F, 1e-37F, mixed));
  }
  return token;
}

/// p · (log p − log q), 0 for p = 0, whatever the logarithms are.
POSTTRAIN_ALWAYS_INLINE float relative_term(float p, float log_p, float log_q) {
  return simd::choose(p == 0.0F, 0.0F, p * (log_p - log_q));
}

template <DivergenceForm form, class Element>
POSTTRAIN_ALWAYS_INLINE void divergence_rows_body(const DivergenceRows<Element>& a,
                                                  std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* z = a.student + row * a.student_stride;
    const Element* t = a.teacher + row * a.teacher_stride;
    const float student_lse = a.student_lse[row], teacher_lse = a.teacher_lse[row], beta = a.beta;
    double of_student = 0, of_teacher = 0;
    for (std::int64_t start = 0; start < a.width; start += kDivergenceBlock) {
      const std::int64_t stop = std::min(start + kDivergenceBlock, a.width);
      float block_student = 0, block_teacher = 0;
#pragma omp simd reduction(+ : block_student, block_teacher)
      for (std::int64_t i = start; i < stop; ++i) {
        const DivergenceToken token = divergence_token<form>(simd::load(z, i) - student_lse,
                                                             simd::load(t, i) - teacher_lse, beta);
        if constexpr (form != DivergenceForm::forward) {
          block_student += relative_term(token.p, token.log_p, token.log_other);
        }
        if constexpr (form == DivergenceForm::forward) {
          block_teacher += relative_term(token.q, token.log_q, token.log_p);
        } else if constexpr (form == DivergenceForm::between) {
          block_teacher += relative_term(token.q, token.log_q, token.log_other);
        }
      }
      of_student += block_student;
      of_teacher += block_teacher;
    }
    a.of_student[row] = static_cast<float>(of_student);
    a.value[row] = static_cast<float>(form == DivergenceForm::forward ? of_teacher
                                      : form == DivergenceForm::reverse
                                          ? of_student
                                          : beta * of_teacher + (1.0 - beta) * of_student);
  }
}

template <DivergenceForm form, class Element>
POSTTRAIN_ALWAYS_INLINE void divergence_grads_body(const DivergenceRows<Element>& a,
                                                   std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* z = a.student + row * a.student_stride;
    Element* t = a.teacher + row * a.teacher_stride;
    const float student_lse = a.student_lse[row], teacher_lse = a.teacher_lse[row], beta = a.beta;
    const float share = form == DivergenceForm::between ? 1.0F - beta : 1.0F;
    const float factor = a.upstream[row] * share, centre = a.of_student[row];
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const DivergenceToken token = divergence_token<form>(simd::load(z, i) - student_lse,
                                                           simd::load(t, i) - teacher_lse, beta);
      if constexpr (form == DivergenceForm::forward) {
        simd::store(t, i, factor * (token.p - token.q));
      } else {
        simd::store(
            t, i,
            factor * (relative_term(token.p, token.log_p, token.log_other) - token.p * centre));
      }
    }
  }
}

#define POSTTRAIN_DIVERGENCE(form, Element)                                                   \
  POSTTRAIN_SIMD void divergence_##form(const DivergenceRows<Element>& a, std::int64_t begin, \
                                        std::int64_t end) {                                   \
    divergence_rows_body<DivergenceForm::form>(a, begin, end);                                \
  }                                                                                           \
  POSTTRAIN_SIMD void divergence_grads_##form(const DivergenceRows<Element>& a,               \
                                              std::int64_t begin, std::int64_t end) {         \
    divergence_grads_body<DivergenceForm::form>(a, begin, end);                               \
  }
POSTTRAIN_DIVERGENCE(forward, float)
POSTTRAIN_DIVERGENCE(forward, c10::BFloat16)
POSTTRAIN_DIVERGENCE(reverse, float)
POSTTRAIN_DIVERGENCE(reverse, c10::BFloat16)
POSTTRAIN_DIVERGENCE(between, float)
POSTTRAIN_DIVERGENCE(between, c10::BFloat16)
#undef POSTTRAIN_DIVERGENCE

inline void check_divergence(const LogitsOf& student, const LogitsOf& teacher, double beta) {
  if (student.logits.dim() != 2 || student.logits.sizes() != teacher.logits.sizes()) {
    raise("a divergence expected two sets of logits [n, V], got {} and {}",
          shape_text(student.logits), shape_text(teacher.logits));
  }
  if (!(beta >= 0.0 && beta <= 1.0)) raise("a divergence expected β in [0, 1], got {}", beta);
}

inline bool divergence_takes_fast_path(const LogitsOf& student, const LogitsOf& teacher) {
  return has_cpu_kernel(student.logits) && has_cpu_kernel(teacher.logits) &&
         student.logits.scalar_type() == teacher.logits.scalar_type() &&
         student.logits.stride(1) == 1 && teacher.logits.stride(1) == 1;
}

/// Calls `run(arguments, begin, end)` with the arguments of a kernel on pieces of the rows.
template <class Run>
void over_divergence_rows(const LogitsOf& student, const LogitsOf& teacher, double beta,
                          const RowDivergence& out, const Tensor& upstream, const Run& run) {
  const auto exact = [](const Tensor& t) { return t.to(at::kFloat).contiguous(); };
  const Tensor student_lse = exact(student.lse), teacher_lse = exact(teacher.lse);
  with_element_type(student.logits, [&](auto element) {
    using Element = decltype(element);
    const DivergenceRows<Element> arguments{
        student.logits.const_data_ptr<Element>(),
        teacher.logits.mutable_data_ptr<Element>(),
        student.logits.stride(0),
        teacher.logits.stride(0),
        student.logits.size(1),
        student_lse.const_data_ptr<float>(),
        teacher_lse.const_data_ptr<float>(),
        static_cast<float>(beta),
        out.value.mutable_data_ptr<float>(),
        out.student.mutable_data_ptr<float>(),
        upstream.defined() ? upstream.const_data_ptr<float>() : nullptr};
    at::parallel_for(0, student.logits.size(0), 1 + 8192 / student.logits.size(1),
                     [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
  });
}

/// The same on any device, by operators: log p, log q and log of what p is compared with.
struct DivergenceLogs {
  Tensor log_p, log_q, log_other;

  DivergenceLogs(const LogitsOf& student, const LogitsOf& teacher, double beta) {
    const auto logs = [](const LogitsOf& rows) {
      return rows.logits.to(compute_type(rows.logits)) - rows.lse.unsqueeze(1);
    };
    log_p = logs(student);
    log_q = logs(teacher);
    log_other = beta == 1.0 ? log_q : (beta * log_q.exp() + (1.0 - beta) * log_p.exp()).log();
  }

  static Tensor relative(const Tensor& log_a, const Tensor& log_b) {
    const Tensor a = log_a.exp();
    return (a * (log_a - log_b)).masked_fill(a == 0, 0);
  }
};

}  // namespace detail

POSTTRAIN_INLINE RowDivergence divergence_rows(const LogitsOf& student, const LogitsOf& teacher,
                                               double beta) {
  using namespace detail;
  check_divergence(student, teacher, beta);
  at::NoGradGuard no_grad;
  if (!divergence_takes_fast_path(student, teacher)) {
    const DivergenceLogs logs(student, teacher, beta);
    const Tensor of_student = DivergenceLogs::relative(logs.log_p, logs.log_other).sum(1);
    if (beta == 1.0) return {of_student, of_student};
    const Tensor& other = beta == 0.0 ? logs.log_p : logs.log_other;
    const Tensor of_teacher = DivergenceLogs::relative(logs.log_q, other).sum(1);
    return {beta == 0.0 ? of_teacher : beta * of_teacher + (1.0 - beta) * of_student, of_student};
  }
  const auto made = [&] {
    return at::empty({student.logits.size(0)}, student.logits.options().dtype(at::kFloat));
  };
  const RowDivergence out{made(), made()};
  over_divergence_rows(student, teacher, beta, out, {},
                       [&](const auto& rows, std::int64_t begin, std::int64_t end) {
                         if (beta == 0.0) return divergence_forward(rows, begin, end);
                         if (beta == 1.0) return divergence_reverse(rows, begin, end);
                         divergence_between(rows, begin, end);
                       });
  return out;
}

POSTTRAIN_INLINE void divergence_backward_(const LogitsOf& student, const LogitsOf& teacher,
                                           const RowDivergence& divergence, const Tensor& upstream,
                                           double beta) {
  using namespace detail;
  check_divergence(student, teacher, beta);
  at::NoGradGuard no_grad;
  if (!divergence_takes_fast_path(student, teacher)) {
    const DivergenceLogs logs(student, teacher, beta);
    Tensor slope;
    if (beta == 0.0) {
      slope = logs.log_p.exp() - logs.log_q.exp();
    } else {
      slope = DivergenceLogs::relative(logs.log_p, logs.log_other) -
              logs.log_p.exp() * divergence.student.unsqueeze(1);
      if (beta != 1.0) slope = slope * (1.0 - beta);
    }
    teacher.logits.copy_(slope * upstream.unsqueeze(1));
    return;
  }
  over_divergence_rows(student, teacher, beta, divergence, upstream.to(at::kFloat).contiguous(),
                       [&](const auto& rows, std::int64_t begin, std::int64_t end) {
                         if (beta == 0.0) return divergence_grads_forward(rows, begin, end);
                         if (beta == 1.0) return divergence_grads_reverse(rows, begin, end);
                         divergence_grads_between(rows, begin, end);
                       });
}

}  // namespace posttrain
