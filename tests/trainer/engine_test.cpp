// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/engine.hpp"

#include <csignal>
#include <fstream>
#include <limits>
#include <map>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/named_tensors.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Ragged sequences that continue deterministically, so that a model can learn them.
std::string write_samples(const TempFolder& folder, int count, const char* name = "tokens.jsonl") {
  const std::string path = (folder / name).string();
  std::ofstream file(path);
  for (int i = 0; i < count; ++i) {
    nlohmann::json ids = nlohmann::json::array(), labels = nlohmann::json::array();
    const int length = 4 + (i * 7) % 13;
    for (int t = 0; t < length; ++t) {
      ids.push_back((3 * i + 5 * t + t * t) % 50);
      if (t < 2) {
        labels.push_back(-100);
      } else {
        labels.push_back(ids.back());
      }
    }
    file << nlohmann::json{{"input_ids", ids}, {"labels", labels}} << "\n";
  }
  return path;
}

Options quiet() {
  Options options;
  options.effective_batch_size = 4;
  options.max_tokens_per_batch = 24;
  options.learning_rate = 1e-2;
  options.num_epochs = 2;
  options.validation_split = 0.2;
  options.progress = false;
  return options;
}

template <class Optimizer = AdamW>
auto make_trainer(const std::string& path, const Options& options,
                  at::ScalarType dtype = at::kFloat,
                  const Optimizer& optimizer = {.weight_decay = 0.01}) {
  return Trainer(tiny_model(dtype), NextToken{}, Full{}, Tokenized{.path = path}, optimizer,
                 options);
}

Tensor weights_of(const FullState& state) { return flat(state.weights()).clone(); }

struct StopAfter {
  std::int64_t step;
  void on(const event::AfterStep& event) {
    if (event.metrics.step == step) std::raise(SIGTERM);
  }
};

/// As a learning rate would that is far too high; before the step's checkpoint.
struct RuinAfter {
  FullState& state;
  std::int64_t step;
  void on(const event::AfterStep& event) {
    if (event.metrics.step != step) return;
    state.trainable()[0].master.fill_(std::numeric_limits<float>::quiet_NaN());
    state.publish();
  }
};

/// Asks for something after one step.
struct AskAfter {
  std::int64_t step;
  event::Request request;
  event::Request on(const event::AfterStep& event) const {
    return event.metrics.step == step ? request : event::Request{};
  }
};

/// Every file below a folder with its content.
std::map<std::string, std::string> files_in(const io::fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : io::fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = slurp(entry.path());
  }
  return files;
}

/// Runs once as a whole and once in three pieces, each with a Trainer of its own.
template <class Optimizer>
void check_resuming(const std::string& path, Options options, at::ScalarType dtype,
                    const Optimizer& optimizer, const io::fs::path& run_dir) {
  INFO(run_dir);
  std::vector<double> whole;
  auto uninterrupted = make_trainer(path, options, dtype, optimizer);
  uninterrupted.add(LossCurve{whole});
  uninterrupted.train();

  options.run_dir = run_dir.string();
  std::vector<double> pieces;
  for (const std::int64_t stop : {2, 5, 100}) {
    auto trainer = make_trainer(path, options, dtype, optimizer);
    trainer.add(LossCurve{pieces});
    trainer.add(StopAfter{stop});
    const TrainResult result = trainer.train();
    CHECK(result.interrupted == (stop != 100));
    CHECK(result.signal == (stop != 100 ? SIGTERM : 0));
    if (stop == 100) {
      CHECK(at::equal(weights_of(trainer.state()), weights_of(uninterrupted.state())));
    }
  }
  CHECK(pieces == whole);

  // The metrics of the three processes read as those of one run.
  std::ifstream metrics(run_dir / "metrics.jsonl");
  std::vector<std::int64_t> steps;
  for (std::string line; std::getline(metrics, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record.contains("loss")) steps.push_back(record["step"]);
  }
  CHECK(steps.size() == whole.size());
  CHECK(std::is_sorted(steps.begin(), steps.end()));
  CHECK(io::fs::exists(run_dir / "run.json"));
}

}  // namespace

TEST_CASE("training lowers the loss in fp32 and in bf16", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 8);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Options options = quiet();
    options.num_epochs = 60;
    Trainer trainer = make_trainer(path, options, dtype);
    std::vector<double> losses;
    trainer.add(LossCurve{losses});
    const TrainResult result = trainer.train();
    CHECK(result.steps == 120);
    CHECK(losses.size() == 120);
    CHECK(losses.back() < 0.2 * losses.front());
    CHECK_FALSE(result.interrupted);
    CHECK(std::isfinite(result.val_loss));
  }
}

TEST_CASE("the logged loss is the optimised loss for any micro-batch size", "[trainer][C1][C2]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 16);
  std::vector<Tensor> final_weights;
  std::vector<std::vector<double>> losses(3);
  int run = 0;
  for (const std::int64_t tokens : {17, 40, 1000}) {
    Options options = quiet();
    options.max_tokens_per_batch = tokens;
    Trainer trainer = make_trainer(path, options);
    trainer.add(LossCurve{losses[static_cast<std::size_t>(run)]});
    // The first logged loss is the loss of the initial weights over the step's tokens, exactly as
    // evaluated without gradients.
    trainer.train();
    final_weights.push_back(weights_of(trainer.state()));
    ++run;
  }
  for (int other : {1, 2}) {
    for (std::size_t i = 0; i < losses[0].size(); ++i) {
      CHECK(losses[static_cast<std::size_t>(other)][i] == Approx(losses[0][i]).epsilon(1e-4));
    }
  }
  CHECK(losses[1][0] == Approx(losses[0][0]).epsilon(1e-6));
  CHECK(losses[2][0] == Approx(losses[0][0]).epsilon(1e-6));
}

TEST_CASE("the logged loss of a step is what evaluation of its batches gives", "[trainer][C2]") {
  const TempFolder folder;
  Trainer trainer = make_trainer(write_samples(folder, 16), quiet());
  std::vector<Sequence> sequences{some_sequence(12, 1), some_sequence(9, 2)};
  const std::vector<TokenBatch> batches{batch_of({sequences[0]}), batch_of({sequences[1]})};
  const double before = trainer.evaluate(batches);
  CHECK(trainer.step(batches).loss == Approx(before).epsilon(1e-6));
}

TEST_CASE("a resumed run equals the uninterrupted one bit for bit", "[trainer][C25]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.neftune_noise_alpha = 5.0;
  options.warmup_steps = 3;
  check_resuming(path, options, at::kFloat, AdamW{.weight_decay = 0.01}, folder / "fp32");
  check_resuming(path, options, at::kBFloat16, AdamW{.weight_decay = 0.01}, folder / "bf16");
  check_resuming(path, options, at::kBFloat16, AdamW8bit{.weight_decay = 0.01, .min_8bit_size = 0},
                 folder / "8bit");
}

TEST_CASE("a checkpoint of another run is refused with both values, and nothing is changed",
          "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.checkpoint_steps = 1;
  options.max_steps = 2;
  make_trainer(path, options).train();
  const auto before = files_in(folder / "run");
  const auto refused = [&](const auto& make, const char* message) {
    CHECK_THROWS_WITH(make(), Catch::Contains(message));
    CHECK(files_in(folder / "run") == before);
  };
  const auto with = [&](auto change) {
    return [&, change] {
      Options changed = options;
      change(changed);
      make_trainer(path, changed);
    };
  };
  refused(with([](Options& o) { o.learning_rate = 1e-3; }),
          "options.learning_rate: the checkpoint has 0.01, this run 0.001; hint: choose another");
  refused(with([](Options& o) { o.truncate = true; }),
          "options.truncate: the checkpoint has false, this run true");
  refused([&] { make_trainer(path, options, at::kBFloat16); },
          "model.dtype: the checkpoint has \"Float\", this run \"BFloat16\"");
  refused([&] { make_trainer(path, options, at::kFloat, AdamW{.weight_decay = 0.5}); },
          "optimizer.weight_decay: the checkpoint has");
  refused([&] { make_trainer(path, options, at::kFloat, AdamW8bit{}); },
          "optimizer.type: the checkpoint has \"AdamW\", this run \"AdamW8bit\"");
  refused(
      [&] {
        Trainer(tiny_model(), NextToken{.label_smoothing = 0.5}, Full{}, Tokenized{.path = path},
                AdamW{}, options);
      },
      "loss.label_smoothing: the checkpoint has");
  refused([&] { make_trainer(write_samples(folder, 21, "more.jsonl"), options); },
          "data.content: the checkpoint has");
  // The same samples elsewhere are the same data, and a run may go on for longer.
  options.num_epochs = 9;
  options.max_steps = 3;
  CHECK(make_trainer(write_samples(folder, 20, "moved.jsonl"), options).steps() == 2);
}

TEST_CASE("a run that was killed before its first checkpoint keeps its folder from another run",
          "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.max_steps = 3;
  struct Killed {};
  struct KillAfterFirst {
    void on(const event::AfterStep&) { throw Killed{}; }
  };
  {
    auto trainer = make_trainer(path, options);
    trainer.add(KillAfterFirst{});
    CHECK_THROWS_AS(trainer.train(), Killed);
  }
  const auto before = files_in(folder / "run");
  CHECK(before.contains((folder / "run/metrics.jsonl").string()));
  Options other = options;
  other.learning_rate = 1e-3;
  CHECK_THROWS_WITH(
      make_trainer(path, other),
      Catch::Contains("is of another run: options.learning_rate: the run there has 0.01, this run "
                      "0.001; hint: choose another run_dir, or Options.resume = false"));
  CHECK(files_in(folder / "run") == before);
  // The same run begins anew; another one may set aside what is there.
  CHECK(make_trainer(path, options).train().steps == 3);
  other.resume = false;
  CHECK(make_trainer(path, other).train().steps == 3);
  CHECK(io::fs::exists(folder / "run/earlier-1/checkpoints/identity.json"));
}

TEST_CASE("a run that is done says so and has no loss", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.max_steps = 2;
  const TrainResult first = make_trainer(path, options).train();
  CHECK(first.first_step == 0);
  CHECK(std::isfinite(first.loss));
  // A run leaves a checkpoint at its end, whatever checkpoint_steps.
  CHECK(io::fs::exists(folder / "run/checkpoints/step-00000002/trainer.json"));
  const TrainResult again = make_trainer(path, options).train();
  CHECK(again.steps == 2);
  CHECK(again.first_step == 2);
  CHECK(std::isnan(again.loss));
}

TEST_CASE("a run that does not resume sets aside what was there", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.checkpoint_steps = 1;
  options.max_steps = 6;
  make_trainer(path, options).train();
  const std::string metrics = slurp(folder / "run/metrics.jsonl");
  options.resume = false;
  options.max_steps = 3;
  {
    auto trainer = make_trainer(path, options);
    CHECK(io::fs::exists(folder / "run/checkpoints/step-00000006"));  // not before the first step
    CHECK(trainer.train().steps == 3);
  }
  CHECK(io::fs::exists(folder / "run/earlier-1/checkpoints/step-00000006/trainer.json"));
  CHECK(slurp(folder / "run/earlier-1/metrics.jsonl") == metrics);
  options.resume = true;
  options.max_steps = 4;
  CHECK(make_trainer(path, options).steps() == 3);
}

TEST_CASE("a checkpoint before the first step sets aside, too", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.max_steps = 2;
  make_trainer(path, options).train();
  options.resume = false;
  auto trainer = make_trainer(path, options);
  trainer.checkpoint();
  trainer.train();
  CHECK(io::fs::exists(folder / "run/earlier-1/checkpoints/step-00000002/trainer.json"));
  CHECK_FALSE(io::fs::exists(folder / "run/earlier-2"));
}

TEST_CASE("a run's folder is held by one Trainer, and must outlive the output", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "out/run").string();
  const auto trainer = make_trainer(path, options);
  CHECK_THROWS_WITH(make_trainer(path, options), Catch::Contains("is in use by another Trainer"));
  CHECK_THROWS_WITH(trainer.check_save((folder / "out").string()),
                    Catch::Contains("which is replaced as a whole by the saved model"));
  CHECK_NOTHROW(trainer.check_save((folder / "model").string()));
}

TEST_CASE("the checkpoint before a ruined one is kept", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.checkpoint_steps = 1;
  options.max_steps = 5;
  auto trainer = make_trainer(path, options);
  trainer.add(RuinAfter{trainer.state(), 2});
  CHECK_THROWS_WITH(trainer.train(),
                    Catch::Contains("nan at step 3") &&
                        Catch::Contains("the last good checkpoint is that of step 1 (that of step "
                                        "2 holds the weights that led here)"));
  CHECK(io::fs::exists(folder / "run/checkpoints/step-00000001/trainer.json"));
}

/// No loss falls by so much: the first validation is the last that improves.
Options impatient(const io::fs::path& run_dir, std::int64_t patience) {
  Options options = quiet();
  options.num_epochs = 9;
  options.run_dir = run_dir.string();
  options.validation_frequency = 2;
  options.early_stopping_patience = patience;
  options.early_stopping_threshold = 100.0;
  return options;
}

TEST_CASE("a run ends after as many validations without improvement as it has patience",
          "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  const TrainResult result = make_trainer(path, impatient(folder / "run", 2)).train();
  CHECK(result.stopped_early);
  CHECK_FALSE(result.interrupted);
  CHECK(result.steps == 6);  // validated after 2, 4 and 6
  // It stays ended, with the loss of its last validation; with more patience it goes on.
  const TrainResult again = make_trainer(path, impatient(folder / "run", 2)).train();
  CHECK(again.steps == 6);
  CHECK(again.first_step == 6);
  CHECK(again.stopped_early);
  CHECK(again.val_loss == result.val_loss);
  CHECK(make_trainer(path, impatient(folder / "run", 3)).train().steps == 8);
}

TEST_CASE("an interrupted run keeps count of validations without improvement", "[trainer][C25]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  for (const std::int64_t stop : {4, 5}) {  // at a validation, and between two
    INFO(stop);
    const auto run_dir = folder / std::to_string(stop);
    {
      auto first = make_trainer(path, impatient(run_dir, 2));
      first.add(StopAfter{stop});
      CHECK(first.train().interrupted);
    }
    CHECK(make_trainer(path, impatient(run_dir, 2)).train().steps == 6);
  }
}

TEST_CASE("early stopping and the best model need a validation set", "[trainer]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 8);
  Options options = impatient(folder / "run", 1);
  options.validation_split = 0.0;
  CHECK_THROWS_WITH(make_trainer(path, options),
                    Catch::Contains("early_stopping_patience needs validation"));
  CHECK_FALSE(io::fs::exists(folder / "run"));
}

TEST_CASE("a hook may ask for a checkpoint and for the end", "[trainer][events]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.run_dir = (folder / "run").string();
  options.keep_checkpoints = 10;
  {
    auto trainer = make_trainer(path, options);
    trainer.add(AskAfter{2, {.save = true}});
    trainer.add(AskAfter{3, {.stop = true}});
    const TrainResult result = trainer.train();
    CHECK(result.steps == 3);
    CHECK(result.stopped_early);
    CHECK_FALSE(result.interrupted);
    CHECK(std::isfinite(result.val_loss));  // as at the end of any run
  }
  for (const int step : {1, 2, 3}) {
    INFO(step);
    CHECK(io::fs::exists(folder / "run/checkpoints" / fmt::format("step-{:08}", step)) ==
          (step != 1));
  }
  // The run goes on where it stopped, and ends as one that was never stopped.
  auto resumed = make_trainer(path, options);
  const TrainResult rest = resumed.train();
  CHECK(rest.first_step == 3);
  CHECK_FALSE(rest.stopped_early);
  auto whole = make_trainer(path, quiet());
  whole.train();
  CHECK(at::equal(weights_of(resumed.state()), weights_of(whole.state())));
}

TEST_CASE("what is asked for with the last step ends no run early, and what cannot be is an error",
          "[trainer][events]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 20);
  Options options = quiet();
  options.max_steps = 2;
  auto trainer = make_trainer(path, options);
  trainer.add(AskAfter{2, {.stop = true}});
  CHECK_FALSE(trainer.train().stopped_early);
  auto saving = make_trainer(path, options);
  saving.add(AskAfter{1, {.save = true}});
  CHECK_THROWS_WITH(saving.train(), Catch::Contains("which needs Options.run_dir; hint: set it"));
}

TEST_CASE("more steps than can be counted are refused", "[trainer]") {
  const TempFolder folder;
  Options options = quiet();
  options.num_epochs = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_WITH(make_trainer(write_samples(folder, 20), options),
                    Catch::Contains("steps is too many; hint: max_steps"));
}

TEST_CASE("a non-finite loss stops the run before the weights", "[trainer]") {
  const TempFolder folder;
  Trainer trainer = make_trainer(write_samples(folder, 8), quiet());
  trainer.state().trainable()[0].master.fill_(std::numeric_limits<float>::quiet_NaN());
  trainer.state().publish();
  CHECK_THROWS_WITH(trainer.train(),
                    Catch::Contains("loss is nan at step 1 (samples") &&
                        Catch::Contains("has nan at [0, 0]; hint: the model itself is damaged"));
}

TEST_CASE("a step without a scored token changes nothing", "[trainer][C3]") {
  const TempFolder folder;
  Trainer trainer = make_trainer(write_samples(folder, 8), quiet());
  Sequence sequence = some_sequence(6, 1);
  sequence.weights.assign(6, 0.0F);
  const Tensor before = weights_of(trainer.state());
  const StepMetrics metrics = trainer.step({batch_of({sequence})});
  CHECK(metrics.loss == 0.0);
  CHECK(metrics.batch_num_loss_counted_tokens == 0);
  CHECK(at::equal(before, weights_of(trainer.state())));
}

TEST_CASE("tiny updates are not lost in bf16", "[trainer][C24]") {
  const TempFolder folder;
  const std::string path = write_samples(folder, 8);
  Options options = quiet();
  options.learning_rate = 1e-6;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  options.max_steps = 100;
  Trainer narrow = make_trainer(path, options, at::kBFloat16);
  Trainer wide = make_trainer(path, options, at::kFloat);
  const Tensor start = weights_of(wide.state());
  narrow.train();
  wide.train();
  const double moved = (weights_of(wide.state()) - start).norm().item<double>();
  CHECK(moved > 0.0);
  CHECK((weights_of(narrow.state()) - start).norm().item<double>() == Approx(moved).epsilon(0.05));
}

TEST_CASE("token ids outside the vocabulary are refused before training", "[trainer]") {
  Options options = quiet();
  options.validation_split = 0.0;
  const TempFolder folder;
  const std::string path = folder.write("bad.jsonl", R"({"input_ids": [1, 2, 77, 4]})");
  CHECK_THROWS_WITH(
      Trainer(tiny_model(), NextToken{}, Full{}, Tokenized{.path = path}, AdamW{}, options),
      Catch::Contains("vocabulary of 50, got 77"));
}
