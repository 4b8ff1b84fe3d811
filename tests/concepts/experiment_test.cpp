// SPDX-License-Identifier: Apache-2.0
#include "posttrain/concepts/experiment.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/trainer/options.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct Smoothed {
  double smoothing = 0.0;
  constexpr void validate() const {
    if (!(smoothing < 1.0)) fail("posttrain: Smoothed.smoothing must be below 1");
  }
};

struct Plain {
  constexpr void validate() const {}
};

constexpr auto kBase = Experiment{Smoothed{}, Plain{}, Plain{}, Plain{}, Options{}};
// Two experiments of one program, checked by the compiler.
constexpr auto kFirst = checked(Experiment{Smoothed{.smoothing = 0.1}, Plain{}, Plain{}, Plain{},
                                           Options{.learning_rate = 1e-4}});
constexpr auto kSecond = checked(Experiment{Smoothed{}, Plain{}, Plain{}, Plain{},
                                            Options{.num_epochs = 3, .run_dir = "runs/second"}});

}  // namespace

TEST_CASE("an experiment is a constant that keeps every field", "[core][experiment]") {
  static_assert(kFirst.loss.smoothing == 0.1);
  static_assert(kFirst.options.learning_rate == 1e-4);
  static_assert(kSecond.options.num_epochs == 3);
  static_assert(kSecond.options.run_dir == "runs/second");
  const auto copy = kSecond;  // a run-time copy owns its text
  CHECK(copy.options.run_dir.view() == "runs/second");
  const std::string text = describe(kFirst);
  CHECK_THAT(text, Catch::Contains("Experiment{.loss = Smoothed{.smoothing = 0.1}, .params = "
                                   "Plain{}, .data = Plain{}, .optimizer = Plain{}, .options = "
                                   "Options{.num_epochs = 1, "));
  CHECK_THAT(text, Catch::Contains(".learning_rate = 0.0001, "));
}

TEST_CASE("a bad value throws at run time the text of the compile error", "[core][experiment]") {
  auto run = kBase;
  CHECK_NOTHROW(checked(run));
  run.options.learning_rate = -1;
  CHECK_THROWS_WITH(checked(run), "posttrain: Options.learning_rate must be positive");
  run = kBase;
  run.loss.smoothing = 1.0;
  CHECK_THROWS_WITH(checked(run), "posttrain: Smoothed.smoothing must be below 1");
  CHECK_THROWS_AS(checked(run), Error);
}

TEST_CASE("every option is checked, nan included", "[core][experiment]") {
  const auto message = [](auto change) -> std::string {
    Options options;
    change(options);
    try {
      options.validate();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const double nan = std::nan("");
  using O = Options;
  CHECK(message([](O&) {}).empty());
  CHECK(message([](O& o) { o.num_epochs = 0; }) ==
        "posttrain: Options.num_epochs must be at least 1");
  CHECK(message([](O& o) { o.max_steps = -1; }) ==
        "posttrain: Options.max_steps must not be negative");
  CHECK(message([](O& o) { o.effective_batch_size = 0; }) ==
        "posttrain: Options.effective_batch_size must be at least 1");
  CHECK(message([](O& o) { o.max_tokens_per_batch = 1; }) ==
        "posttrain: Options.max_tokens_per_batch must be at least 2");
  CHECK(message([](O& o) { o.max_seq_len = -1; }) ==
        "posttrain: Options.max_seq_len must not be negative");
  CHECK(message([=](O& o) { o.learning_rate = nan; }) ==
        "posttrain: Options.learning_rate must be positive");
  CHECK(message([](O& o) { o.learning_rate = 0; }) ==
        "posttrain: Options.learning_rate must be positive");
  CHECK(message([](O& o) { o.lr_scheduler.min_lr_rate = 2; }) ==
        "posttrain: Schedule.min_lr_rate must be in [0, 1]");
  CHECK(message([=](O& o) { o.lr_scheduler.min_lr_rate = nan; }) ==
        "posttrain: Schedule.min_lr_rate must be in [0, 1]");
  CHECK(message([](O& o) { o.warmup_steps = -1; }) ==
        "posttrain: Options.warmup_steps must not be negative");
  CHECK(message([=](O& o) { o.max_grad_norm = nan; }) ==
        "posttrain: Options.max_grad_norm must not be negative");
  CHECK(message([](O& o) { o.neftune_noise_alpha = -1; }) ==
        "posttrain: Options.neftune_noise_alpha must not be negative");
  CHECK(message([](O& o) { o.checkpoint_steps = -1; }) ==
        "posttrain: Options.checkpoint_steps must not be negative");
  CHECK(message([](O& o) { o.keep_checkpoints = 0; }) ==
        "posttrain: Options.keep_checkpoints must be at least 1");
  CHECK(message([](O& o) { o.validation_frequency = -1; }) ==
        "posttrain: Options.validation_frequency must not be negative");
  CHECK(message([](O& o) { o.logging_steps = 0; }) ==
        "posttrain: Options.logging_steps must be at least 1");
  for (const auto& change :
       {+[](O& o) { o.checkpoint_steps = 5; }, +[](O& o) { o.checkpoint_at_epoch = true; },
        +[](O& o) { o.save_best = true; }}) {
    CHECK(message(change) == "posttrain: Options.run_dir must be set to save checkpoints");
    CHECK(message([&](O& o) {
            change(o);
            o.run_dir = "runs/a";
          }).empty());
  }
}
