// SPDX-License-Identifier: Apache-2.0
// What recipes choose by name.
#pragma once

namespace posttrain {

/// Of weights and activations; masters, moments and gradients' sums are float32 in any case.
enum class TrainDtype { float32, bfloat16 };

enum class OptimizerName { adamw, adamw_8bit };

/// Losses on pairs by TRL's loss_type (docs/losses.md#losses-on-pairs); the last three, of other
/// trainers there, compare with no reference.
enum class PairLossName {
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
  orpo,
  cpo,
  simpo,
};

/// Losses on single judged answers by TRL's loss_type of KTOTrainer, and BCOTrainer's.
enum class AnswerLossName { kto, apo_zero_unpaired, bco };

/// Losses on policies by TRL's loss_type of GRPOTrainer, those that look at single tokens.
enum class PolicyLossName { grpo, dapo, dr_grpo, cispo, sapo };

}  // namespace posttrain
