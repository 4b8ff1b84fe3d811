// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/sequence_ratio.hpp"

#include "posttrain/losses/policy/reinforce.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

using SequenceLoss = PolicyLoss<Reinforce, SequenceRatio>;
static_assert(!SequenceLoss::row_local);

double sum_d(const PolicyNumbers& sample) {
  double sum = 0.0;
  for (std::size_t t = 0; t < sample.size(); ++t) sum += sample.d(t);
  return sum;
}
double mean_d(const PolicyNumbers& sample) {
  return sum_d(sample) / static_cast<double>(sample.size());
}

}  // namespace

TEST_CASE("the ratio of a sample is the exponential of its mean log-ratio",
          "[losses][sequence_ratio]") {
  check_policy_loss(SequenceLoss{},
                    of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      return -std::exp(mean_d(now)) * now.advantage[t];
                    }));
  check_policy_loss(SequenceLoss{.ratio = {SequenceForm::product}},
                    of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      return -std::exp(sum_d(now)) * now.advantage[t];
                    }));
  check_first_update(SequenceLoss{});
}

TEST_CASE("in its token form each token carries its own gradient", "[losses][sequence_ratio]") {
  check_policy_loss(
      SequenceLoss{.ratio = {SequenceForm::token}},
      of_tokens([](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
        return -std::exp(mean_d(held) + now.logp[t] - held.logp[t]) * now.advantage[t];
      }));
  check_first_update(SequenceLoss{.ratio = {SequenceForm::token}});
}

TEST_CASE("the ratio of a sample does not grow with its length", "[losses][sequence_ratio]") {
  for (const std::int64_t length : {4, 400}) {
    RolloutGroup group;
    group.prompt = {1};
    RolloutSample sample;
    sample.ids = table_ids(length, 5);
    sample.sampled.assign(sample.ids.size(), 1);
    group.samples = {sample};
    SampleAdvantage advantage;
    advantage.advantage.assign(sample.ids.size(), 1.0F);
    const RolloutItem item{&group, &group.samples[0], &advantage, 1.0F, 1.0};
    const RolloutBatch batch = pack_rollout(std::span(&item, 1), 1.0);
    const Tensor d = at::full({length}, 0.012, at::kDouble);
    CHECK(largest(SequenceRatio{}(d, {}, batch) - 0.012) < 1e-12);
  }
}
