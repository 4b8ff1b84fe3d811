// SPDX-License-Identifier: Apache-2.0
#include "posttrain/concepts/events.hpp"

#include "posttrain/base/describe.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct ByReference {
  int heard = 0;
  void on(const event::AfterStep&) { ++heard; }
};
struct ByValue {
  void on(event::TrainEnd) {}
};
struct OfAll {
  int heard = 0;
  void on(const auto&) { ++heard; }
};
struct Changing {
  void on(event::AfterStep&) {}
};
struct Silent {};
struct OfNumbers {
  void on(int) {}
};

struct Asks {
  event::Request on(const event::AfterStep&) { return {.stop = true}; }
};
struct AsksAtTheEnd {
  event::Request on(const event::TrainEnd&) { return {}; }
};
struct ReturnsBool {
  bool on(const event::AfterStep&) { return true; }
};

static_assert(Hears<ByReference, event::AfterStep> && !Hears<ByReference, event::TrainEnd>);
static_assert(Hears<ByValue, event::TrainEnd> && HearsSomething<ByValue>);
// Events are facts: a hook that could change one hears nothing.
static_assert(!Hears<Changing, event::AfterStep> && !HearsSomething<Changing>);
static_assert(!HearsSomething<Silent> && !HooksUnknown<Silent>);
static_assert(HooksUnknown<OfNumbers> && !HooksUnknown<ByReference>);
static_assert(hooks_return_well<ByReference>() && hooks_return_well<Asks>() &&
              hooks_return_well<OfAll>() && hooks_return_well<Silent>());
static_assert(!hooks_return_well<AsksAtTheEnd>() && !hooks_return_well<ReturnsBool>());

}  // namespace

TEST_CASE("an object hears each event that it has a hook for", "[concepts][events]") {
  OfAll all;
  const auto tell = [&](const auto&... events) {
    static_assert((Hears<OfAll, std::remove_cvref_t<decltype(events)>> && ...));
    (all.on(events), ...);
  };
  tell(event::TrainBegin{}, event::EpochBegin{}, event::StepBegin{}, event::AfterStep{},
       event::Evaluated{}, event::CheckpointSaved{}, event::EpochEnd{}, event::TrainEnd{});
  CHECK(all.heard == 8);
}

TEST_CASE("a hook that returns a request asks for it, one that returns nothing for nothing",
          "[concepts][events]") {
  Asks asks;
  ByReference silent;
  CHECK(told(asks, event::AfterStep{}).stop);
  CHECK_FALSE(told(silent, event::AfterStep{}).stop);
  CHECK(silent.heard == 1);
}

TEST_CASE("the metrics of a step have Training Hub's names", "[concepts][events]") {
  std::vector<std::string> names;
  for_each_field(StepMetrics{},
                 [&](std::string_view name, const auto&) { names.emplace_back(name); });
  CHECK(names == std::vector<std::string>{
                     "step", "epoch", "loss", "lr", "grad_norm", "num_samples", "num_total_tokens",
                     "batch_num_loss_counted_tokens", "num_loss_counted_tokens",
                     "total_samples_accumulated", "total_tokens_accumulated", "grad_accum",
                     "time_per_batch", "tokens_per_second", "samples_per_second",
                     "peak_memory_usage_GB", "device_reads", "device_uploads", "loss_metrics"});
}
