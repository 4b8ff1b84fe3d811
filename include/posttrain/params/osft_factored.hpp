// SPDX-License-Identifier: Apache-2.0
// Orthogonal subspace fine-tuning as Training Hub's back end (mini_trainer) does it, for comparison
// with runs made there; for work of one's own, Osft (osft.hpp).
//
//   W = U_h S_h V_h + U_l S_l V_l      the second, low part trains, all three factors
//   dU_l ← dU_l − U_h (U_hᵀ dU_l),     dV_l ← dV_l − (dV_l V_hᵀ) V_h      before a step
//   U_l  ← U_l  − U_h (U_hᵀ U_l),      V_l  ← V_l  − (V_l V_hᵀ) V_h       after it
//
// The products go through the factors, so W is not the checkpoint's to the last bit, and they cost
// twice a dense one on square matrices. Without the projection after the step (as PEFT's OSF and
// early versions of mini_trainer), Adam's steps leave the complement.
//
// Different from there: gradients are projected where they arise, so that clipping sees the
// projected ones; matrices that are no target train only where `train` says so.
#pragma once

#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/params/osft/factored_state.hpp"
#include "posttrain/params/weights/pattern_check.hpp"

namespace posttrain {

struct OsftFactored {
  using State = OsftFactoredState;
  static constexpr bool has_reference = true;

  double unfreeze_rank_ratio = 0.25;             // 1 − share of protected directions
  LiteralString target_patterns = "all-linear";  // matrices; all-linear: all but the LM head
  LiteralString train = "";                      // tensors that train as a whole, targets or not
  bool project_parameters = true;                // after every step

  constexpr void validate() const {
    if (!(unfreeze_rank_ratio >= 0.0 && unfreeze_rank_ratio <= 1.0)) {
      fail("posttrain: OsftFactored.unfreeze_rank_ratio must be in [0, 1]");
    }
    if (target_patterns.view().empty()) {
      fail("posttrain: OsftFactored.target_patterns must name something");
    }
  }

  State attach(const auto& model) const {
    validate();
    const WeightSource source = WeightSource::of(model);
    if (target_patterns.view() != "all-linear") {
      detail::check_patterns("OsftFactored.target_patterns", target_patterns.view(),
                             detail::matrix_names(source.layout));
    }
    detail::check_tensor_patterns("OsftFactored.train", train.view(), source.layout);
    return State(
        source, [this](std::string_view name) { return matches_any(train.view(), name); },
        [this](std::string_view name, bool head) {
          return target_patterns.view() == "all-linear" ? !head
                                                        : matches_any(target_patterns.view(), name);
        },
        unfreeze_rank_ratio, project_parameters);
  }
};

}  // namespace posttrain
