// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/mixture.hpp"

#include <map>

#include "posttrain/base/describe.hpp"
#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/data/tokenized.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Mixture;
using posttrain::Tokenized;
using posttrain::data::LoadedData;
using posttrain::data::SamplerOptions;
using posttrain::data::StepSampler;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

std::string lines(int count, int first) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{{\"input_ids\": [{}, 1]}}\n", first + i);
  return text;
}

/// All draws of an epoch, in order of the steps.
std::vector<std::int64_t> epoch(StepSampler<>& sampler) {
  std::vector<std::int64_t> draws;
  while (const auto step = sampler.next()) {
    for (const auto& pack : *step) draws.insert(draws.end(), pack.begin(), pack.end());
  }
  return draws;
}

SamplerOptions mixed(std::int64_t epoch_size) {
  return {.effective_batch_size = 3,
          .max_tokens_per_batch = 8,
          .seed = 5,
          .parts = {{10, 0.25}, {4, 0.65}, {6, 0.1}},
          .epoch_size = epoch_size};
}

}  // namespace

TEST_CASE("every epoch of a mixture draws the exact shares, and nothing twice before its time") {
  StepSampler<> sampler(std::vector<std::int64_t>(20, 1), mixed(0));
  std::map<std::int64_t, int> total;
  std::vector<std::vector<std::int64_t>> epochs;
  for (int e = 0; e < 8; ++e) {
    epochs.push_back(epoch(sampler));
    REQUIRE(epochs.back().size() == 20);
    int parts[3] = {0, 0, 0};
    for (const std::int64_t index : epochs.back()) {
      ++parts[index < 10 ? 0 : index < 14 ? 1 : 2];
      ++total[index];
    }
    CHECK(parts[0] == 5);   // 0.25 of 20
    CHECK(parts[1] == 13);  // 0.65 of 20: more than three times the four there are
    CHECK(parts[2] == 2);
    const auto [least, most] = std::minmax({total[10], total[11], total[12], total[13]});
    CHECK(most - least <= 1);
  }
  for (std::int64_t i = 0; i < 10; ++i) CHECK(total[i] == 4);
  CHECK(epochs[0] != epochs[1]);
}

TEST_CASE("a mixture continues from any position as without interruption [C25]", "[C25]") {
  StepSampler<> whole(std::vector<std::int64_t>(20, 1), mixed(11));
  CHECK(whole.steps_per_epoch() == 4);
  std::vector<StepSampler<>::Step> steps;
  for (int e = 0; e < 3; ++e) {
    while (auto step = whole.next()) steps.push_back(*step);
  }
  for (std::int64_t k = 0; k < 12; ++k) {
    StepSampler<> resumed(std::vector<std::int64_t>(20, 1), mixed(11));
    resumed.seek({k / 4, k % 4});
    CHECK(resumed.next() == steps[static_cast<std::size_t>(k)]);
  }
}

TEST_CASE("a mixture joins its sources, also nested and cached, with samples counted on") {
  const TempFolder scratch, cache;
  const Tokenized a{.path = scratch.write("a.jsonl", lines(4, 100)),
                    .validation_path = scratch.write("v.jsonl", lines(1, 900))};
  const Tokenized b{.path = scratch.write("b.jsonl", lines(5, 200))};
  const Tokenized c{.path = scratch.write("c.jsonl", lines(6, 300))};
  const Mixture mixture{Mixture{a, b, 0.5}, c, 0.2, 30};
  const std::string folder = cache.path().string();
  const LoadedData data = mixture.load({.cache_dir = folder});
  REQUIRE(data.train.size() == 4 + 5 + 6);
  CHECK(data.validation.size() == 1);
  CHECK(data.train[4].ids[0] == 200);
  CHECK(data.train[4].sample == 5);
  CHECK(data.train[9].ids[0] == 300);
  CHECK(data.train[14].sample == 15);
  REQUIRE(data.parts.size() == 3);
  CHECK(data.parts[0].sequences == 4);
  CHECK(data.parts[1].share == Approx(0.4));
  CHECK(data.parts[2].share == Approx(0.2));
  CHECK(data.epoch_size == 30);
  CHECK(data.report.read == 16);
  CHECK(data.report.train == 15);
  CHECK(data.report.sources.size() == 4);
  CHECK(contains(data.report.summary(), "written to the cache"));
}

TEST_CASE("shares and sizes that mean nothing are refused") {
  constexpr Mixture kGood{Tokenized{.path = "a"}, Tokenized{.path = "b"}, 0.1};
  static_assert((kGood.validate(), true));
  CHECK(contains(posttrain::describe(kGood), ".second_share = 0.1, .epoch_size = 0"));
  CHECK(contains(error_of([] {
                   Mixture{Tokenized{.path = "a"}, Tokenized{.path = "b"}, 1.0}.validate();
                 }),
                 "second_share must be in (0, 1)"));
  CHECK(contains(error_of([] {
                   Mixture{Tokenized{.path = "a"}, Tokenized{}, 0.5}.validate();
                 }),
                 "path must not be empty"));
  const TempFolder scratch;
  const Tokenized a{.path = scratch.write("a.jsonl", lines(4, 100))};
  CHECK(contains(error_of([&] {
                   Mixture{Mixture{a, a, 0.5, 7}, a, 0.5}.load({});
                 }),
                 "only the outermost Mixture"));
}
