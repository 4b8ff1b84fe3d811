// SPDX-License-Identifier: Apache-2.0
// Losses on pairs by TRL's names (loss_type of DPOTrainer and CPOTrainer, ORPOTrainer), with the
// fields that a recipe's members give them.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/aot_unpaired.hpp"
#include "posttrain/losses/apo_down.hpp"
#include "posttrain/losses/apo_zero.hpp"
#include "posttrain/losses/bco_pair.hpp"
#include "posttrain/losses/cpo.hpp"
#include "posttrain/losses/discopop.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/exo_pair.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/ipo.hpp"
#include "posttrain/losses/kto_pair.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/nca_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/orpo.hpp"
#include "posttrain/losses/robust_dpo.hpp"
#include "posttrain/losses/sigmoid_norm.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/losses/sppo_hard.hpp"
#include "posttrain/recipes/any_loss.hpp"
#include "posttrain/recipes/names.hpp"

namespace posttrain {

/// Those that compare with a reference, and those that do not.
using ComparingPairLoss =
    AnyLoss<Dpo, Hinge, Ipo, ExoPair, NcaPair, RobustDpo, BcoPair, SppoHard, AotPair, AotUnpaired,
            ApoZero, ApoDown, Discopop, SigmoidNorm, KtoPair>;
using FreePairLoss = AnyLoss<Orpo, Cpo, SimPo>;

namespace detail {

/// A loss with the values of the members that are given; a member that it has no field for is an
/// error.
template <class Loss, class O>
Loss with_members(const O& o) {
  Loss loss{};
  const auto refuse = [&](bool given, const char* member) {
    if (!given) return;
    raise("loss_type = {} has no {}; hint: leave it out", o.loss_type.description(), member);
  };
  if constexpr (requires { loss.beta; }) {
    if (o.beta != 0.0) loss.beta = o.beta;
  } else {
    refuse(o.beta != 0.0, "beta");
  }
  if constexpr (requires { loss.label_smoothing; }) {
    if (o.label_smoothing >= 0.0) loss.label_smoothing = o.label_smoothing;
  } else {
    refuse(o.label_smoothing >= 0.0, "label_smoothing");
  }
  if constexpr (requires { loss.divergence; }) {
    loss.divergence = {o.f_divergence_type, o.f_alpha_divergence_coef};
  } else {
    refuse(o.f_divergence_type != FDivergence::reverse_kl, "f_divergence_type");
  }
  if constexpr (requires { loss.tau; }) {
    if (o.discopop_tau != 0.0) loss.tau = o.discopop_tau;
  } else {
    refuse(o.discopop_tau != 0.0, "discopop_tau");
  }
  if constexpr (requires { loss.gamma; }) {
    if (o.simpo_gamma >= 0.0) loss.gamma = o.simpo_gamma;
  } else {
    refuse(o.simpo_gamma >= 0.0, "simpo_gamma");
  }
  return loss;
}

}  // namespace detail

/// use(loss, weight) with the loss that the members say, and the weight of the chosen answers'
/// likelihood beside it.
template <class O, class Use>
auto with_pair_loss(const O& o, const Use& use) {
  if (o.f_alpha_divergence_coef != 0.5 && o.f_divergence_type != FDivergence::alpha_divergence) {
    fail("f_alpha_divergence_coef needs f_divergence_type = alpha_divergence");
  }
  const LossName name = o.loss_type;
  const bool sum = name == LossName::orpo || name == LossName::cpo;
  const double likelihood = o.rpo_alpha >= 0.0 ? o.rpo_alpha : (sum ? 1.0 : 0.0);
  const auto comparing = [&](const ComparingPairLoss& loss) { return use(loss, likelihood); };
  const auto free = [&](const FreePairLoss& loss) { return use(loss, likelihood); };
  using detail::with_members;
  switch (name) {
    case LossName::hinge:
      return comparing(with_members<Hinge>(o));
    case LossName::ipo:
      return comparing(with_members<Ipo>(o));
    case LossName::exo_pair:
      return comparing(with_members<ExoPair>(o));
    case LossName::nca_pair:
      return comparing(with_members<NcaPair>(o));
    case LossName::robust:
      return comparing(with_members<RobustDpo>(o));
    case LossName::bco_pair:
      return comparing(with_members<BcoPair>(o));
    case LossName::sppo_hard:
      return comparing(with_members<SppoHard>(o));
    case LossName::aot:
      return comparing(with_members<AotPair>(o));
    case LossName::aot_unpaired:
      return comparing(with_members<AotUnpaired>(o));
    case LossName::apo_zero:
      return comparing(with_members<ApoZero>(o));
    case LossName::apo_down:
      return comparing(with_members<ApoDown>(o));
    case LossName::discopop:
      return comparing(with_members<Discopop>(o));
    case LossName::sigmoid_norm:
      return comparing(with_members<SigmoidNorm>(o));
    case LossName::kto_pair:
      return comparing(with_members<KtoPair>(o));
    case LossName::orpo:
      return free(with_members<Orpo>(o));
    case LossName::cpo:
      return free(with_members<Cpo>(o));
    case LossName::simpo:
      return free(with_members<SimPo>(o));
    case LossName::sigmoid:
      return comparing(with_members<Dpo>(o));
    default:
      raise("loss_type = {} is no loss on pairs; hint: docs/losses.md#losses-on-pairs",
            o.loss_type.description());
  }
}

}  // namespace posttrain
