// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/recipe.hpp"

#include <map>

#include "posttrain/hub.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeFolder& folder() {
  static RecipeFolder all;
  return all;
}

SftOptions small() {
  return {.model_path = folder().model(),
          .data_path = folder().chats(),
          .effective_batch_size = 4,
          .learning_rate = 1e-2,
          .checkpoint_at_epoch = false,
          .save_final_checkpoint = false,
          .progress = false};
}

RecipeRun run(const SftOptions& options) {
  return folder().run(options, [](const SftOptions& o) { return sft(o); });
}

/// Every field with its value in words.
template <class T>
std::map<std::string, std::string> fields_of(const T& value) {
  std::map<std::string, std::string> all;
  for_each_field(value, [&](std::string_view name, const auto& field) {
    all[std::string(name)] = describe(field);
  });
  return all;
}

}  // namespace

TEST_CASE("a run has the options that the members say", "[recipes]") {
  const Options options = run_options(SftOptions{.ckpt_output_dir = "out",
                                                 .num_epochs = 7,
                                                 .effective_batch_size = 6,
                                                 .learning_rate = 0.5,
                                                 .max_seq_len = 55,
                                                 .max_tokens_per_gpu = 66,
                                                 .max_steps = 9,
                                                 .skip_bad_samples = true,
                                                 .deduplicate = true,
                                                 .warmup_steps = 3,
                                                 .lr_scheduler = "linear",
                                                 .max_grad_norm = 0.25,
                                                 .gradient_checkpointing = true,
                                                 .seed = 11,
                                                 .validation_split = 0.125,
                                                 .validation_frequency = 12,
                                                 .validate_at_epoch = true,
                                                 .early_stopping_patience = 13,
                                                 .early_stopping_threshold = 0.75,
                                                 .accelerate_full_state_at_epoch = false,
                                                 .checkpoint_storage = "storage",
                                                 .enable_jit_checkpoint = false,
                                                 .logging_steps = 14,
                                                 .tensorboard_log_dir = "events",
                                                 .progress = false});
  std::map<std::string, std::string> expected = fields_of(Options{});
  // Under the same names as the members'.
  expected["num_epochs"] = "7";
  expected["effective_batch_size"] = "6";
  expected["learning_rate"] = "0.5";
  expected["max_seq_len"] = "55";
  expected["max_steps"] = "9";
  expected["skip_bad_samples"] = expected["deduplicate"] = "true";
  expected["warmup_steps"] = "3";
  expected["lr_scheduler"] = describe(optim::Schedule{.type = optim::LrScheduler::linear});
  expected["max_grad_norm"] = "0.25";
  expected["gradient_checkpointing"] = "true";
  expected["seed"] = "11";
  expected["validation_split"] = "0.125";
  expected["validation_frequency"] = "12";
  expected["validate_at_epoch"] = "true";
  expected["early_stopping_patience"] = "13";
  expected["early_stopping_threshold"] = "0.75";
  expected["checkpoint_storage"] = "\"storage\"";
  expected["logging_steps"] = "14";
  expected["tensorboard_log_dir"] = "\"events\"";
  expected["progress"] = "false";
  // And under others.
  expected["max_tokens_per_batch"] = "66";
  expected["run_dir"] = "\"out\"";
  expected["metrics_file"] = "\"training_metrics_0.jsonl\"";
  expected["checkpoint_at_epoch"] = "false";
  expected["stop_on_signal"] = "false";
  CHECK(fields_of(options) == expected);
  CHECK(run_options(SftOptions{}).checkpoint_at_epoch);
}

TEST_CASE("without a bound on micro-batches, they hold the longest sample and 4096 tokens",
          "[recipes]") {
  const auto tokens = [](std::int64_t longest, std::int64_t bound) {
    return run_options(SftOptions{.max_seq_len = longest, .max_tokens_per_gpu = bound})
        .max_tokens_per_batch;
  };
  CHECK(tokens(0, 0) == 4096);
  CHECK(tokens(100, 0) == 4096);
  CHECK(tokens(8192, 0) == 8192);
  CHECK(tokens(100, 128) == 128);
  CHECK(tokens(0, 8192) == 8192);
}

TEST_CASE("training_params.json has every member, in order, with its value", "[recipes]") {
  SftOptions options = small();
  options.data_path = {{folder().chats(), 2}, {folder().chats(), 1}};
  options.lr_scheduler = "linear";
  options.max_steps = 1;
  options.nproc_per_node = "1";
  const Json written = run(options).parameters();
  REQUIRE(written.size() == kSftFields.size());
  std::size_t i = 0;
  for (const auto& [name, value] : written.items()) CHECK(name == kSftFields[i++].name);
  CHECK(written.at("model_path") == folder().model());
  CHECK(written.at("data_path") == folder().chats() + " (2), " + folder().chats() + " (1)");
  CHECK(written.at("effective_batch_size") == 4);
  CHECK(written.at("learning_rate") == 1e-2);
  CHECK(written.at("lr_scheduler") == "linear");
  CHECK(written.at("optimizer") == "adamw");
  CHECK(written.at("train_dtype") == "float32");
  CHECK(written.at("device") == "cpu");
  CHECK(written.at("seed") == 42);
  CHECK(written.at("progress") == false);
  CHECK(written.at("nproc_per_node") == "1");
  CHECK(written.at("master_port") == "");
}

TEST_CASE("what a kill left of a replaced model goes when the run goes on", "[recipes]") {
  SftOptions options = small();
  options.validation_split = 0.3;
  options.validation_frequency = 1;
  options.save_best_val_loss = true;
  options.save_samples = 4;
  options.keep_last_checkpoint_only = true;
  const RecipeRun whole = run(options);
  const std::vector<std::string> expected{"samples_4", "samples_7_best_val_loss"};
  CHECK(whole.models() == expected);
  // As if it had been killed before its first state for resuming, with both models written and
  // nothing removed: the same models are made again.
  std::filesystem::remove_all(whole.folder / "checkpoints");
  for (const char* left : {"samples_2", "samples_4_best_val_loss"}) {
    std::filesystem::create_directory(whole.folder / "hf_format" / left);
  }
  options.ckpt_output_dir = whole.folder.string();
  const RecipeRun again = run(options);
  CHECK(again.error == "");
  CHECK(again.result.first_step == 0);
  CHECK(again.models() == expected);
}

TEST_CASE("a folder of something else is no place for models, which is known before the work",
          "[recipes]") {
  SftOptions options = small();
  const std::string out = folder().path("occupied");
  std::filesystem::create_directories(out + "/hf_format/samples_0");
  folder().write("occupied/hf_format/samples_0/thesis.tex", "years of work");
  options.ckpt_output_dir = out;
  options.save_final_checkpoint = true;
  const RecipeRun refused = run(options);
  CHECK(contains(refused.error, "thesis.tex"));
  CHECK(refused.losses().empty());
}
