// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/sft.hpp"

#include <algorithm>
#include <cmath>

#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeFolder& folder() {
  static RecipeFolder all;
  return all;
}

/// Two epochs of three steps, with every kind of saving.
SftOptions saving() {
  return {.model_path = folder().model(),
          .data_path = folder().chats(),
          .num_epochs = 2,
          .effective_batch_size = 3,
          .learning_rate = 1e-2,
          .validation_split = 0.2,
          .validation_frequency = 2,
          .validate_at_epoch = true,
          .save_best_val_loss = true,
          .progress = false};
}

template <class... Each>
RecipeRun run(const SftOptions& options, Each... callbacks) {
  return folder().run(options, [&](const SftOptions& o) { return sft(o, callbacks...); });
}

std::string weights(const std::string& model) { return slurp(model + "/model.safetensors"); }

struct Counts {
  std::int64_t* steps;
  void on(const event::AfterStep&) { ++*steps; }
};

struct Ends {
  event::Request on(const event::AfterStep& event) { return {.stop = event.metrics.step == 2}; }
};

}  // namespace

TEST_CASE("a call says what came of it", "[recipes]") {
  const RecipeRun whole = run(saving());
  REQUIRE(whole.error == "");
  const RecipeResult& result = whole.result;
  CHECK(whole.models() ==
        std::vector<std::string>{"samples_16", "samples_16_best_val_loss", "samples_8"});
  CHECK(result.model == (whole.folder / "hf_format/samples_16").string());
  CHECK(result.best == (whole.folder / "hf_format/samples_16_best_val_loss").string());
  CHECK(weights(result.best) == weights(result.model));
  CHECK(result.steps == 6);
  CHECK(result.first_step == 0);
  CHECK(result.loss == whole.losses().back());
  CHECK(result.val_loss == whole.numbers("val_loss").back());
  CHECK(whole.validated() == std::vector<std::int64_t>{2, 3, 4, 6});
  CHECK_FALSE(result.interrupted);
  CHECK(result.signal == 0);
  CHECK_FALSE(result.stopped_early);
  CHECK(result.metrics_file == (whole.folder / "training_metrics_0.jsonl").string());
}

TEST_CASE("a call that is repeated goes on where a signal ended it [C25]", "[recipes][C25]") {
  const RecipeRun whole = run(saving());
  SftOptions options = saving();
  options.ckpt_output_dir = folder().path("pieces");
  for (const std::int64_t at : {1, 2, 3}) {
    const RecipeRun piece = run(options, StopsAt{at});
    CHECK(piece.result.interrupted);
    CHECK(piece.result.signal == SIGTERM);
    CHECK(piece.result.steps == at + 1);
    CHECK(piece.result.first_step == (at == 1 ? 0 : at));
  }
  const RecipeRun last = run(options);
  CHECK(last.result.first_step == 4);
  CHECK(last.losses() == whole.losses());
  CHECK(last.numbers("val_loss") == whole.numbers("val_loss"));
  CHECK(last.models() == whole.models());
  CHECK(weights(last.result.model) == weights(whole.result.model));
  CHECK(weights(last.result.best) == weights(whole.result.best));

  // And says so where nothing is left to do.
  const RecipeRun again = run(options);
  CHECK(again.result.first_step == 6);
  CHECK(again.result.steps == 6);
  CHECK(std::isnan(again.result.loss));
  CHECK(again.result.model == last.result.model);
  CHECK(again.result.best == last.result.best);
  CHECK(again.said == "nothing is left to do: 6 of 6 steps are done\n");
  CHECK(again.losses() == whole.losses());
}

TEST_CASE("a call that is repeated with more epochs goes on to them", "[recipes]") {
  SftOptions options = saving();
  options.ckpt_output_dir = folder().path("longer");
  options.lr_scheduler = "constant";
  options.num_epochs = 1;
  CHECK(run(options).result.steps == 3);
  options.num_epochs = 2;
  const RecipeRun more = run(options);
  CHECK(more.result.first_step == 3);
  CHECK(more.result.steps == 6);
  CHECK(more.parameters().at("num_epochs") == 2);
}

TEST_CASE("a folder that holds another run is refused and left as it is", "[recipes]") {
  SftOptions options = saving();
  options.ckpt_output_dir = folder().path("one");
  const RecipeRun one = run(options);
  const std::string parameters = slurp(one.folder / "training_params.json");
  options.learning_rate = 2e-2;
  const RecipeRun other = run(options);
  CHECK(contains(other.error,
                 "is of another run: learning_rate: the checkpoint has 0.01, this run 0.02"));
  CHECK(slurp(one.folder / "training_params.json") == parameters);
  CHECK(other.models() == one.models());
}

TEST_CASE("callbacks hear the run and may end it", "[recipes]") {
  std::int64_t steps = 0;
  SftOptions options = saving();
  options.checkpoint_at_epoch = false;
  const RecipeRun ended = run(options, Counts{&steps}, Ends{});
  CHECK(steps == 2);
  CHECK(ended.result.steps == 2);
  CHECK(ended.result.stopped_early);
  CHECK_FALSE(ended.result.interrupted);
  // It ended in order: its model is saved.
  CHECK(ended.result.model == (ended.folder / "hf_format/samples_6").string());
}

TEST_CASE("the best model is not the last one where the loss rises again", "[recipes]") {
  SftOptions options = saving();
  options.learning_rate = 0.5;
  options.lr_scheduler = "constant_with_warmup";
  options.warmup_steps = 5;
  options.keep_last_checkpoint_only = true;
  options.validation_frequency = 1;
  const RecipeRun rising = run(options);
  const std::vector<double> losses = rising.numbers("val_loss");
  REQUIRE(losses.size() == 6);
  const auto best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  INFO("the lowest loss was after step " << best + 1);
  REQUIRE(best < 5);
  const std::int64_t samples[] = {3, 6, 8, 11, 14, 16};
  CHECK(rising.models().size() == 2);
  CHECK(
      rising.result.best ==
      (rising.folder / fmt::format("hf_format/samples_{}_best_val_loss", samples[best])).string());
  CHECK(rising.result.model == (rising.folder / "hf_format/samples_16").string());
  CHECK(weights(rising.result.best) != weights(rising.result.model));
}

TEST_CASE("what was saved is a model to begin from", "[recipes]") {
  SftOptions options = saving();
  const RecipeRun first = run(options);
  options.model_path = first.result.model;
  const RecipeRun second = run(options);
  CHECK(second.error == "");
  CHECK(second.losses()[0] < first.losses()[0]);
}
