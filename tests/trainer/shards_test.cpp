// SPDX-License-Identifier: Apache-2.0
// What ranks share of the optimizer. That they train the same: ranks_training_test.cpp,
// ranks_policies_test.cpp.
#include "posttrain/trainer/shards.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/with_moving_reference.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/check_ranks.hpp"
#include "support/messages.hpp"
#include "support/rank_threads.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::on_gloo;
using posttrain::test::rank_options;
using posttrain::test::rank_sequences;
using posttrain::test::tiny_model;

namespace {

constexpr auto kSliced = Ranks::Sharding::optimizer;

void expect(bool so, const char* what) {
  if (!so) fail(what);
}

template <class Params = Full, class Optimizer = AdamW>
auto trainer_of(const Options& options, const Ranks& ranks, at::ScalarType dtype = at::kFloat,
                const Params& params = {}, const Optimizer& optimizer = {}) {
  return Trainer(tiny_model(dtype), NextToken{}, params, rank_sequences(), optimizer, options,
                 ranks);
}

std::vector<double> weights_of(const std::vector<ParameterGroup>& groups) {
  std::vector<double> all;
  for (const ParameterGroup& group : groups) {
    const Tensor value = group.value.to(at::kDouble);
    all.insert(all.end(), value.const_data_ptr<double>(),
               value.const_data_ptr<double>() + value.numel());
  }
  return all;
}

/// Moments that are a matrix, or whose name has no number.
struct Odd {
  bool named = true;

  struct State {
    std::vector<NamedTensor> all;
    void step(std::vector<ParameterGroup>&, double, double) {}
    std::vector<NamedTensor> tensors() const { return all; }
  };
  State attach(const std::vector<ParameterGroup>& groups) const {
    const Tensor moments = at::zeros({2, groups[0].master.numel()});
    return {{{named ? "odd.moments.0" : "odd.moments", moments}}};
  }
};

struct Run {
  std::vector<double> losses, weights;
};

Options options_in(const std::string& folder, std::int64_t steps) {
  Options options = rank_options();
  options.max_steps = steps;
  options.run_dir = folder;
  options.lr_scheduler.type = optim::LrScheduler::constant;  // a run of fewer steps is a part
  options.validation_frequency = 0;
  options.save_best = false;
  return options;
}

/// Trains in `folder` until `steps` are done, going on from what is there.
template <class Optimizer>
Run run_in(const std::string& folder, std::int64_t steps, std::int64_t size,
           Ranks::Sharding sharding, at::ScalarType dtype, const Optimizer& optimizer) {
  const Options options = options_in(folder, steps);
  std::vector<Run> runs(static_cast<std::size_t>(size));
  const auto train = [&](const std::shared_ptr<Communicator>& ranks) {
    Run& run = runs[static_cast<std::size_t>(ranks->rank())];
    auto trainer = trainer_of(options, {.sharding = sharding, .bucket = 1000, .over = ranks}, dtype,
                              Full{}, optimizer);
    test::RankRun record;
    trainer.add(test::RankRecorder{&record});
    trainer.train();
    run = {record.losses, weights_of(trainer.state().trainable())};
  };
  if (size == 1) {
    train(std::make_shared<Single>());
  } else {
    REQUIRE(on_gloo(size, train) == std::vector<std::string>(static_cast<std::size_t>(size)));
  }
  for (const Run& run : runs) REQUIRE(run.weights == runs[0].weights);
  return runs[0];
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

}  // namespace

TEST_CASE("each rank has its slices of moments and masters, and all weights", "[shards]") {
  if (!test::on_cpu()) return;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t size : {2, 3}) {
      CAPTURE(dtype, size);
      std::vector<Footprint> footprints(static_cast<std::size_t>(size));
      const auto errors = on_gloo(size, [&](const std::shared_ptr<Communicator>& ranks) {
        Options options = rank_options();
        options.max_steps = 3;
        options.validation_frequency = 0;
        auto trainer = trainer_of(options, {.sharding = kSliced, .over = ranks}, dtype);
        const Traffic before = ranks->traffic();
        std::int64_t elements = 0;  // with what is behind each group's end
        for (const ParameterGroup& group : trainer.state().trainable()) {
          const std::int64_t multiple = size * Shards::kBlock;
          elements += (group.value.numel() + multiple - 1) / multiple * multiple;
          expect(group.master.defined() == (dtype == at::kFloat), "masters are given up");
        }
        const Footprint& own = footprints[static_cast<std::size_t>(ranks->rank())] =
            trainer.footprint();
        // Two moments, and two counts of steps.
        expect(own.optimizer == 8 * elements / size + 8, "moments");
        expect(own.masters == (dtype == at::kFloat ? 0 : 4 * elements / size), "masters");
        trainer.train();
        // Gradients are added up in fp32, weights are gathered as they are.
        const std::int64_t step = 4 * elements + (dtype == at::kFloat ? 4 : 2) * elements / size;
        const std::int64_t numbers = ranks->traffic().bytes - before.bytes - 3 * step;
        expect(numbers > 0 && numbers < 1000, "bytes of three steps");
      });
      CHECK(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
      // Of the model's, not of the room behind it.
      const auto alone = trainer_of(rank_options(), {.over = std::make_shared<Single>()}, dtype);
      for (const Footprint& own : footprints) {
        CHECK(own.trained_parameters == alone.footprint().trained_parameters);
        CHECK(own.weights == alone.footprint().weights);
        CHECK(own.gradients == alone.footprint().gradients);
      }
    }
  }
}

TEST_CASE("weights in bf16 are those of ranks that cut nothing, to the bit", "[shards]") {
  if (!test::on_cpu()) return;
  const auto trained = [](Ranks::Sharding sharding, const auto& params) {
    std::vector<std::vector<double>> weights(2);
    const auto errors = on_gloo(2, [&](const std::shared_ptr<Communicator>& ranks) {
      Options options = rank_options();
      options.max_grad_norm = 0.0;  // a norm is added up in another order
      auto trainer = trainer_of(options, {.sharding = sharding, .bucket = 1000, .over = ranks},
                                at::kBFloat16, params);
      trainer.train();
      weights[static_cast<std::size_t>(ranks->rank())] = weights_of(trainer.state().trainable());
    });
    REQUIRE(errors == std::vector<std::string>(2));
    CHECK(weights[0] == weights[1]);
    return weights[0];
  };
  const auto check = [&](const auto& params) {
    CHECK(trained(kSliced, params) == trained(Ranks::Sharding::none, params));
  };
  check(Full{});
  check(Full{.train = "layers.1, norm"});
  check(WithMovingReference{Full{}, 0.5, 2});  // keeps its masters
  check(Osft{.unfreeze_rank_ratio = 0.5});
}

TEST_CASE("a run in slices goes on with any number of ranks", "[shards]") {
  if (!test::on_cpu()) return;
  const auto none = Ranks::Sharding::none;
  const auto check = [&](at::ScalarType dtype, const auto& optimizer, double tolerance) {
    const test::TempFolder straight;
    const Run whole = run_in(straight.path().string(), 12, 1, none, dtype, optimizer);
    for (const std::int64_t size : {1, 2, 3}) {
      for (const std::int64_t then : {1, 2, 5}) {
        CAPTURE(dtype, size, then);
        const test::TempFolder folder;
        run_in(folder.path().string(), 6, size, kSliced, dtype, optimizer);
        const Run rest = run_in(folder.path().string(), 12, then, kSliced, dtype, optimizer);
        REQUIRE(rest.losses.size() == 6);
        CHECK(distance(rest.weights, whole.weights) < tolerance);
      }
    }
    // The same number goes on bit for bit.
    const test::TempFolder folder, other;
    const Run two = run_in(other.path().string(), 12, 2, kSliced, dtype, optimizer);
    run_in(folder.path().string(), 6, 2, kSliced, dtype, optimizer);
    CHECK(run_in(folder.path().string(), 12, 2, kSliced, dtype, optimizer).weights == two.weights);
    // And one that cuts nothing from slices, and the other way round.
    const test::TempFolder back;
    run_in(back.path().string(), 4, 2, kSliced, dtype, optimizer);
    run_in(back.path().string(), 8, 2, none, dtype, optimizer);
    CHECK(distance(run_in(back.path().string(), 12, 3, kSliced, dtype, optimizer).weights,
                   whole.weights) < tolerance);
  };
  check(at::kFloat, AdamW{}, 1e-6);
  check(at::kFloat, AdamW8bit{.min_8bit_size = 3000}, 1e-4);
  check(at::kBFloat16, AdamW{}, 2e-2);
}

TEST_CASE("a checkpoint in slices is whole or none", "[shards]") {
  if (!test::on_cpu()) return;
  const test::TempFolder folder;
  const auto state_of = [&](std::int64_t step, std::int64_t rank) {
    return folder.path() / "checkpoints" / fmt::format("step-{:08}", step) /
           fmt::format("state-{}-of-2.safetensors", rank);
  };
  run_in(folder.path().string(), 4, 2, kSliced, at::kFloat, AdamW{});
  CHECK(std::filesystem::exists(state_of(4, 0)));
  CHECK(std::filesystem::exists(state_of(4, 1)));
  // One byte of the second rank's.
  std::fstream file(state_of(4, 1), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x55');
  file.close();
  const auto errors = on_gloo(2, [&](const std::shared_ptr<Communicator>& ranks) {
    trainer_of(options_in(folder.path().string(), 8), {.sharding = kSliced, .over = ranks});
  });
  for (const std::string& error : errors) {
    CHECK(contains(error, "no checkpoint is whole"));
    CHECK(contains(error, "its content differs from its hash"));
  }
}

TEST_CASE("an optimizer whose tensors cannot be cut is refused", "[shards]") {
  if (!test::on_cpu()) return;
  for (const bool named : {false, true}) {
    const test::TempFolder folder;
    const auto errors = on_gloo(2, [&](const std::shared_ptr<Communicator>& ranks) {
      Options options = rank_options();
      options.run_dir = folder.path().string();
      trainer_of(options, {.sharding = kSliced, .over = ranks}, at::kFloat, Full{}, Odd{named});
    });
    for (const std::string& error : errors) {
      CHECK(contains(error, named ? "'odd.moments.0' of [2, " : "'odd.moments' does not say"));
      CHECK(contains(error, "hint: Ranks::Sharding::none"));
    }
  }
}

TEST_CASE("ranks that share otherwise are told so", "[shards]") {
  if (!test::on_cpu()) return;
  const auto errors = on_gloo(2, [](const std::shared_ptr<Communicator>& ranks) {
    Ranks differs{.over = ranks};
    if (ranks->rank() == 1) differs.bucket = 5;
    trainer_of(rank_options(), differs);
  });
  for (const std::string& error : errors) CHECK(contains(error, "ranks.bucket"));
}
