// SPDX-License-Identifier: Apache-2.0
// The checks of every loss on policies, as those on pairs (support/loss_check.hpp): its value
// against a formula in plain numbers, its gradient against finite differences of the formula;
// neither the split into micro-batches nor the order of the prompts changes them, nor slices where
// it is row-local.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "posttrain/batch/rollouts.hpp"
#include "support/loss_check.hpp"

namespace posttrain::test {

/// A sample of `length` ids, of which every fourth was not sampled. Its numbers are those of
/// tables, the old policy's a little away from them.
inline RolloutSample some_completion(std::int64_t length, std::uint64_t seed,
                                     std::optional<double> reward) {
  RolloutSample sample;
  sample.ids = table_ids(length, seed);
  const ScoreTables tables = ScoreTables::some();
  for (std::size_t i = 0; i < sample.ids.size(); ++i) {
    const TokenId id = sample.ids[i];
    const auto of = [&](const Tensor& table) { return table[id].item<double>(); };
    sample.sampled.push_back(i % 4 != 2);
    const double moved = 0.6 * std::sin(static_cast<double>(id) * 3.1 + static_cast<double>(i));
    sample.old_logps.push_back(static_cast<float>(of(tables.policy) + moved));
    sample.sampled_logps.push_back(static_cast<float>(of(tables.policy) + 0.5 * moved));
    sample.ref_logps.push_back(static_cast<float>(of(tables.reference)));
    sample.log_sum_sq.push_back(static_cast<float>(of(tables.log_sum_sq)));
  }
  sample.reward = reward;
  sample.scores = {reward};
  return sample;
}

/// Four prompts with 3, 2, 4 and 2 samples; the third has one without a reward, and one that was
/// cut off; the rewards of the last are equal.
inline Rollout some_rollout() {
  Rollout rollout;
  rollout.verifiers = {"right"};
  rollout.verifier_weights = {1.0};
  const std::vector<std::vector<std::optional<double>>> rewards{
      {1.0, 0.0, 0.25}, {0.1, 0.7}, {0.5, std::nullopt, 1.0, -0.5}, {0.3, 0.3}};
  for (std::size_t g = 0; g < rewards.size(); ++g) {
    RolloutGroup group;
    group.prompt = table_ids(3, 10 + g);
    group.sample = static_cast<std::int64_t>(40 + g);
    for (std::size_t s = 0; s < rewards[g].size(); ++s) {
      group.samples.push_back(some_completion(static_cast<std::int64_t>(3 + (g * 5 + s * 3) % 6),
                                              100 * (g + 1) + s, rewards[g][s]));
    }
    rollout.groups.push_back(std::move(group));
  }
  rollout.groups[2].samples[2].finish = FinishReason::length;
  return rollout;
}

/// The items of a whole rollout as one optimizer step, its groups in this order.
template <class Loss>
std::vector<RolloutItem> items_of(const Loss& loss, const Rollout& rollout,
                                  const Advantages& advantages,
                                  const std::vector<std::size_t>& order) {
  std::vector<const RolloutGroup*> groups;
  std::vector<const std::vector<SampleAdvantage>*> of_groups;
  for (const std::size_t g : order) {
    groups.push_back(&rollout.groups[g]);
    of_groups.push_back(&advantages[g]);
  }
  return rollout_items(groups, of_groups, loss.rollout_needs());
}

/// Micro-batches of these sizes; the last takes what is left.
inline std::vector<RolloutBatch> packed(const std::vector<RolloutItem>& items,
                                        const std::vector<std::size_t>& sizes) {
  std::vector<RolloutBatch> batches;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= sizes.size(); ++i) {
    const std::size_t size = i < sizes.size() ? sizes[i] : items.size() - begin;
    batches.push_back(pack_rollout(std::span(items).subspan(begin, size), 1.0));
    begin += size;
  }
  return batches;
}

/// A tensor of truth values, [n].
inline Tensor marks(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong).to(at::kBool);
}

/// What the formulas read of a sample: numbers of its trained tokens.
struct PolicyNumbers {
  std::vector<double> logp, old, ref, advantage;
  double weight = 1.0;
  std::size_t size() const { return logp.size(); }
  double d(std::size_t t) const { return logp[t] - old[t]; }
  double ratio(std::size_t t) const { return std::exp(d(t)); }
};

inline std::vector<PolicyNumbers> policy_numbers(const std::vector<RolloutItem>& items,
                                                 const ScoreTables& tables) {
  std::vector<PolicyNumbers> all;
  const double* policy = tables.policy.data_ptr<double>();
  const double* reference = tables.reference.data_ptr<double>();
  for (const RolloutItem& item : items) {
    PolicyNumbers& numbers = all.emplace_back();
    numbers.weight = item.weight;
    const RolloutSample& sample = *item.sample;
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      if (sample.sampled[i] == 0) continue;
      numbers.logp.push_back(policy[sample.ids[i]]);
      numbers.old.push_back(sample.old_logps[i]);
      numbers.ref.push_back(reference[sample.ids[i]]);
      numbers.advantage.push_back(item.advantage->advantage[i]);
    }
  }
  return all;
}

/// A formula of one token as one of a sample: their sum.
template <class Formula>
auto of_tokens(const Formula& formula) {
  return [formula](const PolicyNumbers& now, const PolicyNumbers& held) {
    double sum = 0.0;
    for (std::size_t t = 0; t < now.size(); ++t) sum += formula(now, held, t);
    return sum;
  };
}

/// What a loss gathers of a step on these micro-batches.
template <class Loss>
StatisticsOf<Loss> statistics_of(const Loss& loss, const ScoreTables& tables,
                                 const std::vector<RolloutBatch>& batches) {
  std::vector<Scored<RolloutBatch>> scored;
  for (const RolloutBatch& batch : batches) {
    scored.emplace_back(
        batch, [&] { return tables.scores(batch); }, nullptr, nullptr);
  }
  return gathered(loss, scored);
}

/// The loss's sum over slices of a batch, as the head makes them.
template <class Loss>
double sum_of_slices(const Loss& loss, const ScoreTables& tables, RolloutBatch batch,
                     std::int64_t size) {
  batch.ref_logps = tables.ref_logps(batch);
  const StatisticsOf<Loss> statistics = statistics_of(loss, tables, {batch});
  double sum = 0.0;
  for (std::int64_t begin = 0; begin < batch.predictions(); begin += size) {
    const RolloutBatch part = batch.slice(begin, std::min(begin + size, batch.predictions()));
    sum += term_sum(loss, tables.scores(part), part, statistics).template item<double>();
  }
  return sum;
}

/// `formula(now, held)`: the sum of one sample; all that carries no gradient is computed from
/// `held`.
template <class Loss, class Formula>
void check_policy_loss(const Loss& loss, const Formula& formula,
                       const Rollout& rollout = some_rollout()) {
  INFO(describe(loss));
  loss.validate();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const ScoreTables tables = ScoreTables::some();
  const std::vector<PolicyNumbers> held = policy_numbers(items, tables);
  double count = 0.0;
  for (const RolloutItem& item : items) count += item.counted;
  const auto value = [&](const ScoreTables& there) {
    const std::vector<PolicyNumbers> now = policy_numbers(items, there);
    double sum = 0.0;
    for (std::size_t i = 0; i < now.size(); ++i) sum += now[i].weight * formula(now[i], held[i]);
    return sum / count;
  };
  const LossAndGradient whole = step_on(loss, tables, packed(items, {}));
  const double expected = value(tables);
  // Advantages are float32, and so are products of them alone.
  CHECK(std::abs(whole.loss - expected) < 1e-7 * std::max(1.0, std::abs(expected)));
  const Tensor slopes = differences(tables, value);
  CHECK(largest(slopes) > 1e-4);
  CHECK(largest(whole.gradient - slopes) < 1e-6 * largest(slopes));

  check_same(step_on(loss, tables, packed(items, {1, 3, 2})), whole);
  check_same(step_on(loss, tables, packed(items_of(loss, rollout, advantages, {3, 1, 0, 2}), {4})),
             whole);
  if constexpr (Loss::row_local) {
    for (const std::int64_t size : {1, 5, 100}) {
      CHECK(std::abs(sum_of_slices(loss, tables, packed(items, {})[0], size) / count - whole.loss) <
            1e-12);
    }
  }
}

/// Before the first update, the ratio is 1 to the bit: without old log-probabilities, and where
/// they are the current ones.
template <class Loss>
void check_first_update(const Loss& loss) {
  INFO(describe(loss));
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches =
      packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {2});
  const ScoreTables tables = ScoreTables::some();
  for (RolloutBatch& batch : batches) batch.old_logps = Tensor();
  const LossAndGradient unknown = step_on(loss, tables, batches);
  for (RolloutBatch& batch : batches) batch.old_logps = tables.scores(batch).logp;
  const LossAndGradient same = step_on(loss, tables, batches);
  CHECK(unknown.loss == same.loss);
  CHECK(unknown.gradient.equal(same.gradient));
  for (const LossAndGradient& step : {unknown, same}) {
    CHECK(metric(step, "ratio/mean") == 1.0);
    CHECK(metric(step, "ratio/max") == 1.0);
    CHECK(metric(step, "ratio/clamped") == 0.0);
  }
}

}  // namespace posttrain::test
