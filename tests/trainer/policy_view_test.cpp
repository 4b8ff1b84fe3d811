// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/policy_view.hpp"

#include <vector>

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/some_rollout.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("A view scores what the policy wrote at the temperature of the batch",
          "[trainer][rollouts][C19]") {
  const models::Decoder model = tiny_model(at::kDouble);
  const auto state = Lora{.rank = 2}.attach(model);
  using Loss = Grpo::With<Kl>;
  const Loss loss{.kl = {.coefficient = 0.1}};
  const Options options;
  const PolicyView<models::Decoder, LoraState<Dense>, Loss> view(model, state, loss, options, 3);
  CHECK(view.step() == 3);
  CHECK(view.seed() == options.seed);
  CHECK(view.needs().normalizer == Normalizer::sequences);
  CHECK(view.version() == weights_version(state));

  const Rollout rollout = some_rollout(2, 3);
  CHECK(view.advantages(rollout).size() == 2);
  std::vector<RolloutItem> items;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) items.push_back({&group, &sample});
  }
  const RolloutBatch plain = pack_rollout(items, 1.0), warm = pack_rollout(items, 1.7);
  const Tensor hidden = model.hidden(state, plain.to(test_device()));
  const Tensor logits =
      model.logits(state, at::index_select(hidden, 0, plain.to(test_device()).row));
  const auto expected = [&](double temperature) {
    return (logits / temperature)
        .log_softmax(1)
        .gather(1, plain.to(test_device()).target.unsqueeze(1))
        .squeeze(1);
  };
  for (const auto* batch : {&plain, &warm}) {
    const Tensor wanted = expected(batch->temperature);
    CHECK(view.scores(*batch).logp.to(at::kDouble).allclose(wanted, 1e-6, 1e-6));
    // Adapters begin at zero: the reference is the policy.
    CHECK(view.reference_logps(*batch).to(at::kDouble).allclose(wanted, 1e-6, 1e-6));
  }
  CHECK_FALSE(view.scores(plain).log_sum_sq.defined());
  CHECK(view.scores(plain, {.log_sum_sq = true}).log_sum_sq.defined());
}
