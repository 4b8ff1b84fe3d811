// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/rollouts.hpp"

#include <cmath>
#include <span>
#include <vector>

#include "support/catch.hpp"
#include "support/device.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Two prompts with two samples and one of `length` ids, from 100 · (prompt + 1) + 10 · sample on.
/// The second id of each was not sampled. Numbers are those of the id.
struct Step {
  std::vector<RolloutGroup> groups{};
  Advantages advantages{};

  Step() {
    const std::vector<std::vector<std::int64_t>> lengths{{3, 4}, {2}};
    for (std::size_t g = 0; g < lengths.size(); ++g) {
      RolloutGroup group;
      group.prompt = {1, 2};
      group.sample = static_cast<std::int64_t>(7 + g);
      auto& of_group = advantages.emplace_back();
      for (std::size_t s = 0; s < lengths[g].size(); ++s) {
        RolloutSample sample;
        SampleAdvantage& advantage = of_group.emplace_back();
        for (std::int64_t i = 0; i < lengths[g][s]; ++i) {
          const auto id = static_cast<TokenId>(100 * (g + 1) + 10 * s) + static_cast<TokenId>(i);
          const auto number = static_cast<float>(id);
          sample.ids.push_back(id);
          sample.sampled.push_back(i != 1);
          sample.old_logps.push_back(-number);
          sample.sampled_logps.push_back(-number - 0.25F);
          sample.ref_logps.push_back(-number - 0.5F);
          sample.values.push_back(number + 0.5F);
          advantage.advantage.push_back(number + 0.125F);
          advantage.returns.push_back(number + 0.375F);
          advantage.importance.push_back(number + 0.625F);
        }
        sample.reward = 0.5 + static_cast<double>(g);
        group.samples.push_back(std::move(sample));
      }
      groups.push_back(std::move(group));
    }
  }

  std::vector<RolloutItem> items(const RolloutNeeds& needs = {}) const {
    std::vector<const RolloutGroup*> of_step;
    std::vector<const std::vector<SampleAdvantage>*> of_groups;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      of_step.push_back(&groups[g]);
      of_groups.push_back(&advantages[g]);
    }
    return rollout_items(of_step, of_groups, needs);
  }
};

std::vector<double> numbers(const Tensor& values) {
  const Tensor wide = values.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

/// Every tensor with one entry for each prediction, as a function of the target.
void check_predictions(const RolloutBatch& batch) {
  const Tensor id = batch.target.to(at::kFloat);
  CHECK(batch.advantage.equal(id + 0.125));
  CHECK(batch.old_logps.equal(-id));
  CHECK(batch.sampled_logps.equal(-id - 0.25));
  CHECK(batch.ref_logps.equal(-id - 0.5));
  CHECK(batch.importance.equal(id + 0.625));
  CHECK(batch.returns.equal(id + 0.375));
  CHECK(batch.old_values.equal(id + 0.5));
}

}  // namespace

TEST_CASE("only sampled ids are predictions; samples of a prompt share it", "[rollouts]") {
  const Step step;
  const std::vector<RolloutItem> items = step.items();
  const RolloutBatch batch = pack_rollout(items, 0.7);
  CHECK(batch.tokens() == 2 + 3 + 4 + 2 + 2);
  CHECK(numbers(batch.target) == std::vector<double>{100, 102, 110, 112, 113, 200});
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 2, 5, 6});
  CHECK(batch.items() == 3);
  CHECK(batch.samples == std::vector<std::int64_t>{7, 7, 8});
  CHECK(batch.group == std::vector<std::int64_t>{0, 0, 1});
  CHECK(numbers(batch.length) == std::vector<double>{2, 2, 3, 3, 3, 1});
  CHECK(numbers(batch.step_sample) == std::vector<double>{0, 0, 1, 1, 1, 2});
  CHECK(batch.step_samples == 3);
  CHECK(numbers(batch.reward) == std::vector<double>{0.5, 0.5, 1.5});
  CHECK(batch.temperature == 0.7);
  // A sample's first id is predicted from the prompt's last row.
  CHECK(numbers(batch.row) == std::vector<double>{1, 3, 1, 6, 7, 10});
  check_predictions(batch);
}

TEST_CASE("a slice cuts every tensor of predictions, and a device gets them all",
          "[rollouts][device]") {
  const Step step;
  const std::vector<RolloutItem> items = step.items();
  const RolloutBatch batch = pack_rollout(items, 1.0);
  for (std::int64_t begin = 0; begin < 6; ++begin) {
    const RolloutBatch part = batch.slice(begin, 6);
    CHECK(part.predictions() == 6 - begin);
    CHECK(part.length.equal(batch.length.narrow(0, begin, 6 - begin)));
    CHECK(part.draw.equal(batch.draw.narrow(0, begin, 6 - begin)));
    CHECK(part.step_sample.equal(batch.step_sample.narrow(0, begin, 6 - begin)));
    CHECK(part.step_samples == 3);
    check_predictions(part);
  }
  const RolloutBatch moved = batch.to(test_device());
  for (const Tensor& tensor :
       {moved.advantage, moved.old_logps, moved.sampled_logps, moved.ref_logps, moved.importance,
        moved.returns, moved.old_values, moved.length, moved.draw, moved.step_sample, moved.reward,
        moved.weight, moved.target}) {
    CHECK(tensor.device() == test_device());
  }
  check_predictions(moved.to(at::kCPU));
}

TEST_CASE("what an id was drawn among goes with its prediction", "[rollouts][device]") {
  Step step;
  CHECK_FALSE(pack_rollout(step.items(), 1.0).support.defined());
  step.groups[0].samples[0].support = {{90, 100, 5, 102, 103}, {2, 1, 2}};  // 5 is a reply's
  step.groups[1].samples[0].support = {{200}, {1, 0}};
  const RolloutBatch batch = pack_rollout(step.items(), 1.0).to(test_device());
  CHECK(numbers(batch.target.to(at::kCPU)) == std::vector<double>{100, 102, 110, 112, 113, 200});
  CHECK(batch.support.column.device() == test_device());
  const auto columns = [](const KeptColumns& kept) { return numbers(kept.column.to(at::kCPU)); };
  const auto of = [](const KeptColumns& kept) { return numbers(kept.prediction.to(at::kCPU)); };
  CHECK(columns(batch.support) == std::vector<double>{90, 100, 102, 103, 200});
  CHECK(of(batch.support) == std::vector<double>{0, 0, 1, 1, 5});
  CHECK(batch.support.ends == std::vector<std::int64_t>{2, 4, 4, 4, 4, 5});
  const RolloutBatch part = batch.slice(1, 6);
  CHECK(columns(part.support) == std::vector<double>{102, 103, 200});
  CHECK(of(part.support) == std::vector<double>{0, 0, 4});
  CHECK(part.support.ends == std::vector<std::int64_t>{2, 2, 2, 2, 3});

  step.groups[0].samples[0].support.sizes.pop_back();
  CHECK_THROWS_WITH(pack_rollout(step.items(), 1.0),
                    Catch::Contains("prompt 7: expected a support for each of 3 ids"));
  step.groups[0].samples[0].support = {{1}, {1, 0, 2}};
  CHECK_THROWS_WITH(pack_rollout(step.items(), 1.0), Catch::Contains("got fewer"));
}

TEST_CASE("numbers that one sample lacks are undefined", "[rollouts]") {
  Step step;
  step.groups[1].samples[0].old_logps.clear();
  step.groups[0].samples[1].values.clear();
  step.groups[0].samples[0].reward.reset();
  const std::vector<RolloutItem> items = step.items();
  const RolloutBatch batch = pack_rollout(items, 1.0);
  CHECK(!batch.old_logps.defined());
  CHECK(!batch.old_values.defined());
  CHECK(batch.sampled_logps.defined());
  CHECK(std::isnan(numbers(batch.reward)[0]));
}

TEST_CASE("the draws of a sample are its own, wherever it is packed", "[rollouts]") {
  const Step step;
  const std::vector<RolloutItem> items = step.items();
  const std::vector<double> all = numbers(pack_rollout(items, 1.0).draw);
  const std::vector<double> second = numbers(pack_rollout(std::span(items).subspan(1), 1.0).draw);
  CHECK(std::vector<double>(all.begin() + 2, all.end()) == second);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK((all[i] >= 0.0 && all[i] < 1.0));
    for (std::size_t j = 0; j < i; ++j) CHECK(all[i] != all[j]);
  }
}

TEST_CASE("a sample's place in the step is its own, wherever it is packed", "[rollouts]") {
  const Step step;
  const std::vector<RolloutItem> items = step.items();
  const RolloutBatch last = pack_rollout(std::span(items).subspan(1), 1.0);
  CHECK(numbers(last.step_sample) == std::vector<double>{1, 1, 1, 2});
  CHECK(last.step_samples == 3);
}

TEST_CASE("each normaliser has its weight and its share in the divisor", "[rollouts]") {
  const Step step;  // 2, 3 and 1 trained tokens
  const auto check = [&](const RolloutNeeds& needs, std::vector<double> weights,
                         std::vector<double> counted) {
    const std::vector<RolloutItem> items = step.items(needs);
    REQUIRE(items.size() == 3);
    double sum = 0.0;
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(items[i].weight == Approx(weights[i]));
      CHECK(items[i].counted == Approx(counted[i]));
      sum += counted[i];
    }
    const RolloutBatch batch = pack_rollout(items, 1.0);
    CHECK(batch.counted == Approx(sum));
    CHECK(numbers(batch.weight)[2] == Approx(weights[1]));
  };
  check({.normalizer = Normalizer::tokens}, {1, 1, 1}, {2, 3, 1});
  check({.normalizer = Normalizer::sequences}, {1.0 / 2, 1.0 / 3, 1}, {1, 1, 1});
  check({.normalizer = Normalizer::constant, .max_length = 50}, {1, 1, 1}, {50, 50, 50});
  check({.normalizer = Normalizer::prompts}, {1.0 / 5, 1.0 / 5, 1}, {2.0 / 5, 3.0 / 5, 1});
  check({.normalizer = Normalizer::sequence_sums}, {1, 1, 1}, {1, 1, 1});
}

TEST_CASE("samples that are left out, or sampled nothing, are no items", "[rollouts]") {
  Step step;
  step.advantages[0][0].trained = false;
  step.groups[1].samples[0].sampled = {0, 0};
  const std::vector<RolloutItem> items = step.items({.normalizer = Normalizer::prompts});
  REQUIRE(items.size() == 1);
  CHECK(items[0].sample == &step.groups[0].samples[1]);
  CHECK(items[0].weight == Approx(1.0 / 3));
  CHECK(items[0].counted == Approx(1.0));
}

TEST_CASE("rollouts whose parts disagree are errors with the prompt's index", "[rollouts]") {
  const auto refused = [](auto change) {
    Step step;
    change(step);
    const std::vector<RolloutItem> items = step.items();
    pack_rollout(items, 1.0);
  };
  CHECK_THROWS_WITH(refused([](Step& step) { step.groups[1].prompt.clear(); }),
                    "prompt 8: expected at least one token, got none");
  CHECK_THROWS_WITH(refused([](Step& step) {
                      step.groups[0].samples[1].sampled = {1, 0, 1};
                    }),
                    "prompt 7: expected 4 marks of sampled ids, one for each id, got 3");
  CHECK_THROWS_WITH(refused([](Step& step) { step.groups[0].samples[0].old_logps.pop_back(); }),
                    "prompt 7: expected 3 numbers, one for each id of a sample, got 2");
  CHECK_THROWS_WITH(refused([](Step& step) { step.advantages[0][0].advantage.clear(); }),
                    Catch::Contains("expected an advantage for each id"));
}
