// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/prompt_order.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/drawn_prompts.hpp"

using namespace posttrain;
using data::DrawnPrompt;
using data::PromptOrder;
using data::PromptWeights;
using test::prompts_of;

namespace {

constexpr std::int64_t kPrompts = 40;

/// Records are numbered from 100 on.
template <class Of>
PromptOrder weighed(const Of& of, std::uint64_t seed = 5, std::int64_t prompts = kPrompts) {
  PromptWeights weights{of, {}};
  for (std::int64_t i = 0; i < prompts; ++i) weights.records.push_back(100 + i);
  return PromptOrder(prompts, seed, weights);
}

double alike(std::int64_t, std::span<const double>) { return 1.0; }

/// The rest of the epoch, `at_once` prompts at a time.
std::vector<std::size_t> epoch_of(PromptOrder& order, std::int64_t at_once) {
  std::vector<std::size_t> all;
  while (order.any_left()) {
    const auto drawn = prompts_of(order.draw(at_once));
    all.insert(all.end(), drawn.begin(), drawn.end());
  }
  CHECK(order.draw(at_once).empty());
  return all;
}

}  // namespace

TEST_CASE("Every prompt is drawn once in an epoch, whatever the weights", "[data][rollouts]") {
  const auto uneven = [](std::int64_t record, std::span<const double>) {
    return record % 2 == 0 ? 1e-3 : 1e3;
  };
  for (PromptOrder order : {PromptOrder(kPrompts, 5), weighed(alike), weighed(uneven)}) {
    std::set<std::vector<std::size_t>> orders;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      order.begin(epoch);
      const auto all = epoch_of(order, 7);
      CHECK(all.size() == kPrompts);
      CHECK(std::set<std::size_t>(all.begin(), all.end()).size() == kPrompts);
      orders.insert(all);
    }
    CHECK(orders.size() == 3);
  }
}

TEST_CASE("Equal weights are a shuffle of their own, however large and many at once",
          "[data][rollouts]") {
  PromptOrder one = weighed(alike);
  const auto expected = epoch_of(one, 1);
  CHECK_FALSE(std::is_sorted(expected.begin(), expected.end()));
  for (const double weight : {1e-300, 0.37, 1e300}) {
    for (const std::int64_t at_once : {1, 7, 40, 100}) {
      PromptOrder other =
          weighed([weight](std::int64_t, std::span<const double>) { return weight; });
      CHECK(epoch_of(other, at_once) == expected);
    }
  }
  PromptOrder other_seed = weighed(alike, 6);
  CHECK(epoch_of(other_seed, 1) != expected);
}

TEST_CASE("Sources with shares are drawn by them; a prompt that comes again has another pass",
          "[data][rollouts]") {
  // 12 draws an epoch: 9 of three prompts, 3 of nine.
  PromptOrder order(12, 5, {}, {{3, 0.75}, {9, 0.25}});
  std::set<std::pair<std::size_t, std::int64_t>> keys;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    order.begin(epoch);
    std::size_t few = 0, all = 0;
    while (order.any_left()) {
      for (const DrawnPrompt& drawn : order.draw(5)) {
        few += drawn.prompt < 3 ? 1 : 0;
        ++all;
        CHECK(keys.insert({drawn.prompt, drawn.pass}).second);
      }
    }
    CHECK(all == 12);
    CHECK(few == 9);
  }
  CHECK(keys.size() == 36);
  PromptWeights weights{alike, std::vector<std::int64_t>(12)};
  CHECK_THROWS_WITH(PromptOrder(12, 5, weights, {{3, 0.75}, {9, 0.25}}),
                    Catch::Contains("a curriculum says itself how often each prompt comes"));
}

TEST_CASE("How often a prompt comes first is its share of the weights", "[data][rollouts]") {
  const std::vector<double> weights{1.0, 2.0, 5.0};
  const auto of = [&](std::int64_t record, std::span<const double>) {
    return weights[static_cast<std::size_t>(record - 100)];
  };
  PromptOrder order = weighed(of, 3, 3);
  std::map<std::pair<std::size_t, std::size_t>, double> counts;  // of the first two
  constexpr int kEpochs = 20000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    order.begin(epoch);
    const auto drawn = prompts_of(order.draw(2));
    counts[{drawn[0], drawn[1]}] += 1.0 / kEpochs;
  }
  // Draws one after another: w_i / Σ, then w_j / (Σ − w_i).
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      const double expected = weights[i] / 8.0 * weights[j] / (8.0 - weights[i]);
      const double deviation = std::sqrt(expected * (1.0 - expected) / kEpochs);
      CHECK(std::abs(counts[{i, j}] - expected) < 4.0 * deviation);
    }
  }
}

TEST_CASE("A prompt of weight 0 is not drawn while it has it", "[data][rollouts]") {
  // What was answered right is done with; record 103 is never asked.
  const auto of = [](std::int64_t record, std::span<const double> rewards) {
    if (record == 103) return 0.0;
    return rewards.empty() || rewards.back() < 1.0 ? 1.0 : 0.0;
  };
  PromptOrder order = weighed(of, 5, 6);
  auto all = epoch_of(order, 4);
  CHECK(all.size() == 5);
  CHECK(std::find(all.begin(), all.end(), 3) == all.end());
  order.visited(0, 1.0);
  order.visited(1, 0.5);
  order.visited(1, 1.0);
  order.visited(2, 1.0);
  order.visited(2, 0.0);
  order.begin(1);
  all = epoch_of(order, 4);
  std::sort(all.begin(), all.end());
  CHECK(all == std::vector<std::size_t>{2, 4, 5});
  for (const std::size_t prompt : all) order.visited(prompt, 1.0);
  CHECK_THROWS_WITH(order.begin(2), Catch::Contains("got 0 for all 6"));
}

TEST_CASE("A weight that is none is an error that names the record", "[data][rollouts]") {
  for (const double bad :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    PromptOrder order = weighed(
        [bad](std::int64_t record, std::span<const double>) { return record == 107 ? bad : 1.0; });
    CHECK_THROWS_WITH(order.draw(1), Catch::Contains("record 107: expected a finite weight"));
  }
  CHECK_THROWS_WITH(PromptOrder(0, 1), Catch::Contains("at least one prompt"));
}

TEST_CASE("An order goes on from what was written of it", "[data][rollouts][checkpoints][C25]") {
  const auto of = [](std::int64_t record, std::span<const double> rewards) {
    double weight = record % 3 == 0 ? 0.25 : 1.0;
    for (const double reward : rewards) weight += 0.1 * reward;
    return weight;
  };
  const auto mixed = [] { return PromptOrder(kPrompts, 5, {}, {{10, 0.5}, {30, 0.5}}); };
  for (const int kind : {0, 1, 2}) {
    const auto fresh = [&] {
      return kind == 0 ? PromptOrder(kPrompts, 5) : kind == 1 ? weighed(of) : mixed();
    };
    PromptOrder order = fresh();
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      if (epoch > 0) order.begin(epoch);
      while (order.any_left()) {
        Json head;
        order.write(head);
        PromptOrder other = fresh();
        other.read(Json::parse(head.dump()), epoch, "here");
        Json again;
        other.write(again);
        CHECK(again == head);
        const auto drawn = prompts_of(order.draw(6));
        CHECK(prompts_of(other.draw(6)) == drawn);
        for (const std::size_t prompt : drawn) {
          order.visited(prompt, 1.0 / static_cast<double>(3 + prompt));
        }
      }
    }
  }
}

TEST_CASE("What is no order is refused and changes nothing", "[data][rollouts][checkpoints]") {
  PromptOrder order = weighed(alike, 5, 4);
  const auto drawn = prompts_of(order.draw(2));
  order.visited(drawn[0], 0.5);
  Json head;
  order.write(head);
  const auto refuses = [&](const char* key, const Json& value, const std::string& part) {
    Json other = head;
    other[key] = value;
    CHECK_THROWS_WITH(order.read(other, 0, "here"), Catch::Contains(part));
    Json after;
    order.write(after);
    CHECK(after == head);
  };
  refuses("cursor", 5, "cursor");
  refuses("cursor", 1, "expected 1 prompts");
  refuses("drawn", Json::array({1, 1}), "drawn twice");
  refuses("drawn", Json::array({1, 4}), "drawn");
  refuses("drawn", nullptr, "drawn");
  refuses("visits", Json::array({Json::array({1})}), "a prompt and its rewards");
  refuses("visits", Json::array({Json::array({4, Json::array()})}), "visits");
}
