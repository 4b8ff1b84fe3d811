// SPDX-License-Identifier: Apache-2.0
// What recipes choose by name.
#pragma once

namespace posttrain {

/// Of weights and activations; masters, moments and gradients' sums are float32 in any case.
enum class TrainDtype { float32, bfloat16 };

enum class OptimizerName { adamw, adamw_8bit };

/// Losses by TRL's loss_type.
enum class LossName {
  // on pairs: DPOTrainer's (docs/losses.md#losses-on-pairs)
  sigmoid,
  hinge,
  ipo,
  exo_pair,
  nca_pair,
  robust,
  bco_pair,
  sppo_hard,
  aot,
  aot_unpaired,
  apo_zero,
  apo_down,
  discopop,
  sigmoid_norm,
  kto_pair,
  // and those of other trainers there, which compare with no reference
  orpo,
  cpo,
  simpo,
  // on judged answers: KTOTrainer's and BCOTrainer's (docs/losses.md#losses-on-judged-answers)
  kto,
  apo_zero_unpaired,
  bco,
  // on policies: GRPOTrainer's that look at single tokens (docs/losses.md#losses-on-policies)
  grpo,
  dapo,
  dr_grpo,
  cispo,
  sapo,
};

}  // namespace posttrain
