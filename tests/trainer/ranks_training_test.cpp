// SPDX-License-Identifier: Apache-2.0
// Several ranks train what one rank trains: losses, weights and validations agree to 1e-6 after 20
// steps, for parameter policies, losses on pairs and answers, losses that gather, and rollouts.
// Ranks are threads here; tests/end_to_end/ranks_test.py has processes.
#include <numeric>

#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/policy/covariance_clip.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/messages.hpp"
#include "support/rank_threads.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

namespace {

struct Run {
  std::vector<double> losses, norms, validations;
  std::vector<std::vector<std::pair<std::string, double>>> metrics;
  std::vector<Tensor> weights;
};

struct Recorder {
  Run* run;
  void on(const event::AfterStep& event) const {
    run->losses.push_back(event.metrics.loss);
    run->norms.push_back(event.metrics.grad_norm);
    run->metrics.push_back(event.metrics.loss_metrics);
  }
  void on(const event::Evaluated& event) const { run->validations.push_back(event.loss); }
};

template <class Make>
Run run_on(const Make& make, const Ranks& ranks) {
  Run run;
  auto trainer = make(ranks);
  trainer.add(Recorder{&run});
  trainer.train();
  for (const ParameterGroup& group : trainer.state().trainable()) {
    run.weights.push_back(group.master.to(at::kDouble).clone());
  }
  return run;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i])));
  }
  return worst;
}

double distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return 1e9;
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, ((a[i] - b[i]).norm() / b[i].norm()).item<double>());
  }
  return worst;
}

bool on_cpu() { return test::test_device().text() == "cpu"; }

/// The first of two ranks, which meets nobody.
class Unmet final : public Communicator {
 public:
  Unmet() : Communicator({.rank = 0, .size = 2}) {}

 private:
  Pending begin_all_reduce(const Tensor&, Reduction) override { return {}; }
  Pending begin_reduce_scatter(const Tensor&, const Tensor&) override { return {}; }
  Pending begin_all_gather(const Tensor&, const Tensor&) override { return {}; }
  Pending begin_broadcast(const Tensor&, std::int64_t) override { return {}; }
};

/// `make(ranks)`: the trainer of a run.
template <class Make>
void check_ranks(const Make& make, std::initializer_list<std::int64_t> sizes = {2, 3}) {
  REQUIRE(has_gloo());
  if (!on_cpu()) return;  // below: what is said there
  const Run alone = run_on(make, {.over = std::make_shared<Single>()});
  REQUIRE_FALSE(alone.losses.empty());
  for (const std::int64_t size : sizes) {
    CAPTURE(size);
    std::vector<Run> runs(static_cast<std::size_t>(size));
    const auto errors = test::on_gloo(size, [&](const std::shared_ptr<Communicator>& ranks) {
      runs[static_cast<std::size_t>(ranks->rank())] = run_on(make, {.bucket = 1000, .over = ranks});
    });
    REQUIRE(errors == std::vector<std::string>(static_cast<std::size_t>(size)));
    CHECK(distance(runs[0].losses, alone.losses) < 1e-6);
    CHECK(distance(runs[0].norms, alone.norms) < 1e-5);
    CHECK(distance(runs[0].validations, alone.validations) < 1e-6);
    CHECK(distance(runs[0].weights, alone.weights) < 1e-6);
    for (std::size_t step = 0; step < alone.metrics.size(); ++step) {
      REQUIRE(runs[0].metrics[step].size() == alone.metrics[step].size());
    }
    // Ranks agree to the bit.
    for (const Run& run : runs) {
      CHECK(run.losses == runs[0].losses);
      CHECK(distance(run.weights, runs[0].weights) == 0.0);
    }
  }
}

Options options(std::int64_t batch_size = 6) {
  Options all = test::small_run(20, batch_size, 64);
  all.learning_rate = 1e-3;
  all.validation_frequency = 10;
  all.stop_on_signal = false;
  return all;
}

test::FixedItems<SequenceKind> sequences() {
  std::vector<Sequence> train, validation;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    train.push_back(test::some_sequence(3 + static_cast<std::int64_t>(seed * 5 % 17), seed));
  }
  for (std::uint64_t seed = 30; seed < 35; ++seed) {
    validation.push_back(test::some_sequence(7, seed));
  }
  return {train, validation};
}

template <class Params>
auto next_token_with(const Params& params, std::int64_t batch_size = 6) {
  return [params, batch_size](const Ranks& ranks) {
    return Trainer(test::tiny_model(at::kFloat), NextToken{}, params, sequences(), AdamW{},
                   options(batch_size), ranks);
  };
}

}  // namespace

TEST_CASE("ranks: all weights", "[ranks_training]") {
  check_ranks(next_token_with(Full{}), {2, 3, 4, 8});
}
TEST_CASE("ranks on a device are refused", "[ranks_training]") {
  if (on_cpu()) return;  // the tests run on a device as well
  CHECK(test::contains(
      test::error_of([] { next_token_with(Full{})({.over = std::make_shared<Unmet>()}); }),
      "ranks work on the CPU only"));
}
TEST_CASE("ranks: fewer sequences than ranks", "[ranks_training]") {
  check_ranks(next_token_with(Full{}, 2), {3});
}
TEST_CASE("ranks: LoRA", "[ranks_training]") {
  check_ranks(next_token_with(Lora{.rank = 4, .dropout = 0.1}));
}
TEST_CASE("ranks: LoRA on a 4-bit base", "[ranks_training]") {
  check_ranks(next_token_with(BasicLora<Nf4>{.rank = 4}));
}
TEST_CASE("ranks: OSFT", "[ranks_training]") {
  check_ranks(next_token_with(Osft{.unfreeze_rank_ratio = 0.5}));
}
TEST_CASE("ranks: a soft prompt and a prefix", "[ranks_training]") {
  check_ranks(next_token_with(PromptTuning{.num_virtual_tokens = 3}));
  check_ranks(next_token_with(PrefixTuning{.num_virtual_tokens = 3}));
}
TEST_CASE("ranks: NEFTune's noise is that of the sequence", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options noisy = options();
    noisy.neftune_noise_alpha = 5.0;
    return Trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, sequences(), AdamW{}, noisy,
                   ranks);
  });
}
TEST_CASE("ranks: pairs with a reference", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    return Trainer(test::tiny_model(at::kFloat), Dpo{}, Lora{.rank = 4}, test::fixed_pairs(),
                   AdamW{}, options(4), ranks);
  });
}
TEST_CASE("ranks: pairs with scores of the reference from before", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    return Trainer(test::tiny_model(at::kFloat), Dpo{}, WithReferenceScores{Full{}},
                   test::fixed_pairs(), AdamW{}, options(4), ranks);
  });
}
TEST_CASE("ranks: a loss that gathers the margins of a step", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options all = options(6);
    all.max_tokens_per_batch = 40;
    return Trainer(test::tiny_model(at::kFloat), AotPair{}, Lora{.rank = 4, .dropout = 0.1},
                   test::fixed_pairs(12), AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: a loss that gathers scores of other answers", "[ranks_training]") {
  std::vector<Answer> answers;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const AnswerPair pair = test::some_pair(seed);
    answers.push_back({pair.prompt, pair.chosen, seed % 3 != 0, static_cast<std::int64_t>(seed)});
  }
  const test::FixedItems<AnswerKind> data{answers,
                                          std::vector(answers.begin(), answers.begin() + 5)};
  check_ranks([&](const Ranks& ranks) {
    Options all = options(6);
    all.max_tokens_per_batch = 40;
    return Trainer(test::tiny_model(at::kFloat), Kto{}, Lora{.rank = 4}, data, AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: rollouts whose loss gathers and compares with the old policy",
          "[ranks_training]") {
  const test::TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(6));
  check_ranks([path](const Ranks& ranks) {
    Options all = options(8);
    all.max_tokens_per_batch = 60;
    all.max_steps = 6;
    all.validation_frequency = 0;
    auto data = test::short_rollouts<>(path);
    data.num_iterations = 2;
    return Trainer(test::TalkingModel(),
                   PolicyLoss<CovarianceClip>{.term = {.share = 0.2, .low = 0.0}}, Full{}, data,
                   AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: recomputed layers", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options all = options();
    all.gradient_checkpointing = true;
    return Trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, sequences(), AdamW{}, all,
                   ranks);
  });
}
TEST_CASE("ranks: rollouts", "[ranks_training]") {
  const test::TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(6));
  check_ranks([path](const Ranks& ranks) {
    Options all = options(8);
    all.max_tokens_per_batch = 200;
    all.max_steps = 6;
    all.validation_frequency = 0;
    return Trainer(test::TalkingModel(), Grpo{}, Full{}, test::short_rollouts<>(path), AdamW{}, all,
                   ranks);
  });
}
