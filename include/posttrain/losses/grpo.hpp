// SPDX-License-Identifier: Apache-2.0
// Group-relative policy optimisation and its family: PolicyLoss by the papers' values. Each is an
// aggregate whose fields can be set, and takes a reference by `With<Kl>`.
//
//   name                source      differs from PPO's clip .2, group mean and deviation, tokens
//   Grpo                2402.03300  mean over samples of their means
//   DrGrpo              2503.20783  no deviation; divided by samples × max_length, which it needs
//   Dapo                2503.14476  clip .2/.28; leaves out truncated samples and equal rewards
//                                   (the paper samples such prompts again: a matter of the data)
//   LitePpo             2508.08221  deviation of the whole batch
//   Gspo                2507.18071  ratio of samples, clip 3e-4/4e-4, mean over samples
//   Luspo               2602.05261  ratio of samples, clip 2e-3/2.5e-3, mean over samples of sums
//   Gmpo                2507.20673  geometric mean of ratios clipped to e^±.4, mean over samples
//   Cispo               2506.13585  weight capped at 5 without a gradient
//   Sapo                2511.20347  soft gate, τ 1 / 1.05, mean over samples
//   DppoTv              2602.04879  mask by the change of probability, ± .2
//   Vespo               2602.10693  soft weight w^2 e^(3 (1 − w)), for A < 0 w^3 e^(2 (1 − w)), of
//                                   whole samples' ratio, without a gradient
//   Rloo                2402.14740  leave one out, no deviation, ratio of whole samples, mean over
//                                   samples; with a reference: k1 in the reward, .05
//   ReinforcePlusPlus   2501.03262  no baseline, whitened over tokens; with a reference: k1 in the
//                                   reward
//   ReinforceBaseline   2501.03262  group mean, whitened over tokens; with a reference: k2 in the
//                                   loss
//
// TRL's names: docs/losses.md#losses-on-policies.
#pragma once

#include "posttrain/losses/policy/cispo.hpp"
#include "posttrain/losses/policy/dppo.hpp"
#include "posttrain/losses/policy/geometric_mean.hpp"
#include "posttrain/losses/policy/reinforce.hpp"
#include "posttrain/losses/policy/sampled_ratio.hpp"
#include "posttrain/losses/policy/sapo.hpp"
#include "posttrain/losses/policy/sequence_ratio.hpp"
#include "posttrain/losses/policy/vespo.hpp"
#include "posttrain/losses/policy_loss.hpp"

namespace posttrain {

namespace papers {

struct Grpo : DefaultValues {
  static constexpr Normalizer normalizer = Normalizer::sequences;
};

struct DrGrpo : DefaultValues {
  static constexpr AdvantageEstimator advantage{.scale = AdvantageScale::none};
  static constexpr Normalizer normalizer = Normalizer::constant;
};

struct Dapo : DefaultValues {
  static constexpr Clip term{.low = 0.2, .high = 0.28};
  static constexpr Truncated truncated = Truncated::mask;
  static constexpr EqualRewards equal_rewards = EqualRewards::drop;
};

struct LitePpo : DefaultValues {
  static constexpr AdvantageEstimator advantage{.scale = AdvantageScale::batch};
};

struct Gspo : DefaultValues {
  static constexpr Clip term{.low = 3e-4, .high = 4e-4};
  static constexpr Normalizer normalizer = Normalizer::sequences;
};

struct Luspo : DefaultValues {
  static constexpr Clip term{.low = 2e-3, .high = 2.5e-3};
  static constexpr Normalizer normalizer = Normalizer::sequence_sums;
};

struct Rloo : DefaultValues {
  static constexpr SequenceRatio ratio{SequenceForm::product};
  static constexpr Kl kl{0.05, KlEstimator::k1, KlPlace::reward};
  static constexpr AdvantageEstimator advantage{.baseline = Baseline::leave_one_out,
                                                .scale = AdvantageScale::none};
  static constexpr Normalizer normalizer = Normalizer::sequences;
};

struct ReinforcePlusPlus : DefaultValues {
  static constexpr Kl kl{0.001, KlEstimator::k1, KlPlace::reward};
  static constexpr AdvantageEstimator advantage{.baseline = Baseline::none,
                                                .scale = AdvantageScale::tokens};
};

struct ReinforceBaseline : DefaultValues {
  static constexpr Kl kl{0.001, KlEstimator::k2, KlPlace::loss};
  static constexpr AdvantageEstimator advantage{.scale = AdvantageScale::tokens};
};

}  // namespace papers

using Grpo = PolicyLoss<Clip, TokenRatio, NoKl, papers::Grpo>;
using DrGrpo = PolicyLoss<Clip, TokenRatio, NoKl, papers::DrGrpo>;
using Dapo = PolicyLoss<Clip, TokenRatio, NoKl, papers::Dapo>;
using LitePpo = PolicyLoss<Clip, TokenRatio, NoKl, papers::LitePpo>;
using Gspo = PolicyLoss<Clip, SequenceRatio, NoKl, papers::Gspo>;
using Luspo = PolicyLoss<Clip, SequenceRatio, NoKl, papers::Luspo>;
using Gmpo = PolicyLoss<Reinforce, GeometricMean, NoKl, papers::Grpo>;
using Cispo = PolicyLoss<CispoTerm, TokenRatio, NoKl, DefaultValues>;
using Sapo = PolicyLoss<SapoTerm, TokenRatio, NoKl, papers::Grpo>;
using DppoTv = PolicyLoss<DppoTerm, TokenRatio, NoKl, DefaultValues>;
using Vespo = PolicyLoss<VespoTerm, SampledRatio, NoKl, DefaultValues>;
using Rloo = PolicyLoss<Clip, SequenceRatio, NoKl, papers::Rloo>;
using ReinforcePlusPlus = PolicyLoss<Clip, TokenRatio, NoKl, papers::ReinforcePlusPlus>;
using ReinforceBaseline = PolicyLoss<Clip, TokenRatio, NoKl, papers::ReinforceBaseline>;

}  // namespace posttrain
