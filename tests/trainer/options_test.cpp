// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/options.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("every option is checked, nan included", "[trainer][options]") {
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
  CHECK(message([](O& o) { o.early_stopping_patience = -1; }) ==
        "posttrain: Options.early_stopping_patience must not be negative");
  CHECK(message([=](O& o) { o.early_stopping_threshold = nan; }) ==
        "posttrain: Options.early_stopping_threshold must not be negative");
  CHECK(message([](O& o) { o.early_stopping_threshold = 0.5; }) ==
        "posttrain: Options.early_stopping_threshold needs early_stopping_patience, which is 0");
  CHECK(message([](O& o) {
          o.early_stopping_patience = 1;
          o.early_stopping_threshold = 0.5;
        }).empty());
  CHECK(message([](O& o) { o.effective_batch_size = 0; }) ==
        "posttrain: Options.effective_batch_size must be at least 1");
  CHECK(message([](O& o) { o.max_tokens_per_batch = 1; }) ==
        "posttrain: Options.max_tokens_per_batch must be at least 2");
  CHECK(message([](O& o) { o.max_seq_len = -1; }) ==
        "posttrain: Options.max_seq_len must not be negative");
  CHECK(message([=](O& o) { o.learning_rate = nan; }) ==
        "posttrain: Options.learning_rate must be positive and finite");
  CHECK(message([](O& o) { o.learning_rate = std::numeric_limits<double>::infinity(); }) ==
        "posttrain: Options.learning_rate must be positive and finite");
  CHECK(message([](O& o) { o.learning_rate = 0; }) ==
        "posttrain: Options.learning_rate must be positive and finite");
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
        +[](O& o) { o.save_best = true; }, +[](O& o) { o.checkpoint_storage = "copies"; }}) {
    CHECK(message(change) == "posttrain: Options.run_dir must be set to save checkpoints");
    CHECK(message([&](O& o) {
            change(o);
            o.run_dir = "runs/a";
          }).empty());
  }
}

TEST_CASE("the file of metrics is named without a folder", "[trainer][options]") {
  for (const char* name : {"", "a/b.jsonl", "/metrics.jsonl"}) {
    CHECK_THROWS_WITH(Options{.metrics_file = name}.validate(),
                      "posttrain: Options.metrics_file must be a file's name, without a folder");
  }
  CHECK_NOTHROW(Options{.metrics_file = "training_metrics_0.jsonl"}.validate());
}

TEST_CASE("a run by itself has the usual files and takes signals", "[trainer][options]") {
  constexpr Options kUsual{};
  static_assert((kUsual.validate(), true));
  CHECK(kUsual.metrics_file.view() == "metrics.jsonl");
  CHECK(kUsual.checkpoint_storage.empty());
  CHECK(kUsual.stop_on_signal);
  CHECK_FALSE(kUsual.validate_at_epoch);
}

TEST_CASE("a share of the samples is held out, never all", "[trainer][options]") {
  for (const double share : {-0.1, 1.0, std::nan("")}) {
    CHECK_THROWS_WITH(Options{.validation_split = share}.validate(),
                      "posttrain: Options.validation_split must be in [0, 1)");
  }
  constexpr Options kGood{.validation_split = 0.99};
  static_assert((kGood.validate(), true));
  CHECK(Options{}.max_grad_norm == 1.0);
}
