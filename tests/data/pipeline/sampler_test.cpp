// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/sampler.hpp"

#include <set>
#include <string>

#include "support/catch.hpp"

using posttrain::data::FirstFitDecreasing;
using posttrain::data::NoPacking;
using posttrain::data::Packs;
using posttrain::data::SamplerOptions;
using posttrain::data::SamplerPosition;
using posttrain::data::StepSampler;

namespace {

using Lengths = std::vector<std::int64_t>;

Lengths some_lengths(std::size_t count) {
  posttrain::Philox4x32 rng(3);
  Lengths lengths(count);
  for (auto& length : lengths) length = 1 + static_cast<std::int64_t>(rng.below(50));
  return lengths;
}

SamplerOptions options(std::int64_t batch, std::int64_t tokens = 100) {
  SamplerOptions result;
  result.effective_batch_size = batch;
  result.max_tokens_per_batch = tokens;
  result.seed = 42;
  return result;
}

template <class Packer>
std::vector<Packs> epoch(StepSampler<Packer>& sampler) {
  std::vector<Packs> steps;
  while (auto step = sampler.next()) steps.push_back(*std::move(step));
  return steps;
}

std::set<std::int64_t> members(const Packs& step) {
  std::set<std::int64_t> result;
  for (const auto& micro_batch : step) result.insert(micro_batch.begin(), micro_batch.end());
  return result;
}

template <class Action>
std::string message(Action&& action) {
  try {
    action();
  } catch (const posttrain::Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE(
    "an epoch shows every sequence once, in steps of the batch size, within the token bound") {
  const Lengths lengths = some_lengths(101);
  StepSampler sampler(lengths, options(8));
  CHECK(sampler.steps_per_epoch() == 13);
  const auto steps = epoch(sampler);
  REQUIRE(steps.size() == 13);
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CHECK(members(steps[i]).size() == (i < 12 ? 8U : 5U));
    seen.merge(members(steps[i]));
    for (const auto& micro_batch : steps[i]) {
      std::int64_t tokens = 0;
      for (const std::int64_t index : micro_batch) {
        tokens += lengths[static_cast<std::size_t>(index)];
      }
      CHECK(tokens <= 100);
    }
  }
  CHECK(seen.size() == 101);
  CHECK(epoch(sampler) != steps);  // the next epoch has another order
}

TEST_CASE("packing decides over micro-batches, never over what is in a step [C1]", "[C1]") {
  StepSampler packed(some_lengths(40), options(6));
  StepSampler<NoPacking> alone(some_lengths(40), options(6));
  StepSampler roomy(some_lengths(40), options(6, 10000));
  for (int step = 0; step < 7; ++step) {
    const auto expected = packed.next();
    const auto a = alone.next();
    const auto b = roomy.next();
    REQUIRE(expected.has_value());
    CHECK(members(*a) == members(*expected));
    CHECK(members(*b) == members(*expected));
    CHECK(a->size() == members(*a).size());
    CHECK(b->size() == 1);
  }
}

TEST_CASE("a sought sampler continues as the uninterrupted one [C25]", "[C25]") {
  StepSampler whole(some_lengths(23), options(4));
  std::vector<std::pair<SamplerPosition, std::optional<Packs>>> trace;
  for (int i = 0; i < 20; ++i) {
    const SamplerPosition position = whole.position();
    trace.emplace_back(position, whole.next());
  }
  for (std::size_t start = 0; start < trace.size(); ++start) {
    StepSampler resumed(some_lengths(23), options(4));
    resumed.seek(trace[start].first);
    for (std::size_t i = start; i < trace.size(); ++i) {
      REQUIRE(resumed.position() == trace[i].first);
      REQUIRE(resumed.next() == trace[i].second);
    }
  }
  CHECK(trace[5].first == SamplerPosition{0, 5});
  CHECK(trace[6].first == SamplerPosition{0, 6});
  CHECK_FALSE(trace[6].second.has_value());  // the end of the epoch
  CHECK(trace[7].first == SamplerPosition{1, 0});
}

TEST_CASE("the order depends on the seed and can be the file's") {
  SamplerOptions other = options(30, 10000);
  other.seed = 43;
  CHECK(StepSampler<NoPacking>(some_lengths(30), other).next() !=
        StepSampler<NoPacking>(some_lengths(30), options(30, 10000)).next());
  other.shuffle = false;
  const auto steps = StepSampler<NoPacking>(some_lengths(30), other).next();
  for (std::size_t i = 0; i < 30; ++i) CHECK((*steps)[i][0] == static_cast<std::int64_t>(i));
}

TEST_CASE("drop_last leaves out a step that is not full") {
  SamplerOptions dropping = options(8);
  dropping.drop_last = true;
  StepSampler sampler(some_lengths(20), dropping);
  CHECK(sampler.steps_per_epoch() == 2);
  CHECK(epoch(sampler).size() == 2);
  CHECK(message([&] {
          StepSampler none(some_lengths(7), dropping);
        }).starts_with("7 sequences do not fill one step"));
}

TEST_CASE("bad sizes and positions are clear errors") {
  CHECK(message([] { StepSampler sampler({}, options(1)); }).starts_with("expected at least one"));
  CHECK(message([] {
          StepSampler sampler({5}, options(0));
        }).starts_with("effective_batch_size must be at least 1"));
  CHECK(message([] {
          StepSampler sampler({5, 101}, options(1));
        }).starts_with("sequence 1 has 101 tokens"));
  StepSampler sampler({5, 5}, options(1));
  CHECK(message([&] {
          sampler.seek({0, 3});
        }).starts_with("expected a position of at most step 2"));
}
