// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/conflicts.hpp"

#include <array>
#include <cstdlib>
#include <string>

#include "posttrain/hub.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

const TempFolder& scratch() {
  static const TempFolder folder;
  return folder;
}

/// What a recipe says of members that contradict each other. Its model and its data do not exist,
/// and its folder is not made: nothing was read or written before.
template <class O>
std::string refusal(void (*change)(O&)) {
  O options;
  options.model_path = (scratch() / "no-model").string();
  options.data_path = (scratch() / "no-data.jsonl").string();
  options.ckpt_output_dir = (scratch() / "out").string();
  change(options);
  const std::string error = error_of([&] { recipes::run(options, {}); });
  CHECK(std::filesystem::is_empty(scratch().path()));
  CHECK(error.find('\n') == std::string::npos);
  return error;
}

std::string refusal_of_sft(void (*change)(SftOptions&)) { return refusal<SftOptions>(change); }

using S = SftOptions;

}  // namespace

TEST_CASE("without a conflict, the model is looked for", "[recipes]") {
  CHECK(contains(refusal_of_sft([](S&) {}), "no-model"));
  CHECK(contains(refusal_of_sft([](S& o) {
                   o.max_seq_len = 100;
                   o.max_tokens_per_gpu = 100;
                   o.validation_split = 0.1;
                   o.validate_at_epoch = true;
                   o.early_stopping_patience = 1;
                 }),
                 "no-model"));
}

TEST_CASE("model, data and the run's folder must be named", "[recipes]") {
  CHECK(refusal_of_sft([](S& o) { o.model_path = ""; }) ==
        "expected model_path, a folder, a GGUF file or org/name; got nothing");
  CHECK(refusal_of_sft([](S& o) { o.data_path = ""; }) ==
        "expected data_path, a file or a folder; got nothing");
  CHECK(refusal_of_sft([](S& o) { o.ckpt_output_dir = ""; }) ==
        "expected ckpt_output_dir, the folder of the run; got nothing");
  CHECK(refusal_of_sft([](S& o) {
          o.data_path = {{"a", 1}, {"b", -1}};
        }) == "data_path: expected a positive share for b, got -1");
}

TEST_CASE("a micro-batch has place for the longest sample", "[recipes]") {
  CHECK(refusal_of_sft([](S& o) {
          o.max_seq_len = 101;
          o.max_tokens_per_gpu = 100;
        }) ==
        "expected max_tokens_per_gpu to be at least max_seq_len = 101, got 100: a sample of that "
        "length would fit no micro-batch");
}

TEST_CASE("held-out data are of one source, are looked at, and are there where they are needed",
          "[recipes]") {
  CHECK(refusal_of_sft([](S& o) {
          o.validation_split = 0.25;
          o.validation_data_path = "held-out.jsonl";
          o.validate_at_epoch = true;
        }) ==
        "expected validation_split or validation_data_path, got both (0.25 and held-out.jsonl)");
  for (const auto& held_out : {+[](S& o) { o.validation_split = 0.25; },
                               +[](S& o) { o.validation_data_path = "held-out.jsonl"; }}) {
    CHECK(refusal_of_sft(held_out) ==
          "expected validation_frequency or validate_at_epoch beside held-out data, got neither: "
          "they would never be looked at");
  }
  struct Need {
    const char* member;
    void (*change)(S&);
  };
  for (const Need& need :
       {Need{"validation_frequency", [](S& o) { o.validation_frequency = 2; }},
        Need{"validate_at_epoch", [](S& o) { o.validate_at_epoch = true; }},
        Need{"save_best_val_loss", [](S& o) { o.save_best_val_loss = true; }},
        Need{"early_stopping_patience", [](S& o) { o.early_stopping_patience = 2; }}}) {
    CHECK(refusal_of_sft(need.change) ==
          std::string(need.member) +
              " needs held-out data; hint: validation_split or validation_data_path");
  }
}

TEST_CASE("kinds of data exclude each other", "[recipes]") {
  CHECK(refusal_of_sft([](S& o) { o.is_pretraining = true; }) ==
        "is_pretraining needs block_size, the tokens of a document's blocks");
  CHECK(refusal_of_sft([](S& o) { o.block_size = 64; }) ==
        "block_size needs is_pretraining = true");
  CHECK(refusal_of_sft([](S& o) { o.document_column_name = "body"; }) ==
        "document_column_name needs is_pretraining = true");
  const auto both = [](const char* a, const char* b) {
    return fmt::format("expected {} or {}, got both: they are of other kinds of data", a, b);
  };
  CHECK(refusal_of_sft([](S& o) {
          o.is_pretraining = true;
          o.block_size = 64;
          o.unmask_messages = true;
        }) == both("is_pretraining", "unmask_messages"));
  CHECK(refusal_of_sft([](S& o) {
          o.is_pretraining = true;
          o.block_size = 64;
          o.use_processed_dataset = true;
        }) == both("is_pretraining", "use_processed_dataset"));
  CHECK(refusal_of_sft([](S& o) {
          o.unmask_messages = true;
          o.use_processed_dataset = true;
        }) == both("unmask_messages", "use_processed_dataset"));
}

TEST_CASE("numbers that cannot be are refused", "[recipes]") {
  CHECK(refusal_of_sft([](S& o) { o.save_samples = -1; }) ==
        "expected save_samples not to be negative, got -1");
  CHECK(refusal_of_sft([](S& o) { o.num_epochs = 0; }) ==
        "posttrain: Options.num_epochs must be at least 1");
  CHECK(refusal_of_sft([](S& o) { o.early_stopping_threshold = 0.5; }) ==
        "posttrain: Options.early_stopping_threshold needs early_stopping_patience, which is 0");
  CHECK(refusal_of_sft([](S& o) { o.beta2 = 1.0; }) == "posttrain: AdamW.beta2 must be in [0, 1)");
}

TEST_CASE("processes that nobody started are refused before anything is read",
          "[recipes][launch]") {
  CHECK(refusal_of_sft([](S& o) { o.nproc_per_node = 8; }) ==
        "nproc_per_node = 8 asks for 8 processes on this machine, and no launcher started them; "
        "hint: torchrun --no-python --nproc-per-node 8 PROGRAM");
  CHECK(refusal_of_sft([](S& o) {
          o.rdzv_endpoint = "node0:1";
          o.master_addr = "node0";
        }) ==
        "master_addr = node0 and rdzv_endpoint = node0:1 both say where the processes meet; hint: "
        "give one of them");
  ::setenv("WORLD_SIZE", "2", 1);
  const std::string started_twice = refusal_of_sft([](S&) {});
  ::unsetenv("WORLD_SIZE");
  CHECK(started_twice ==
        "expected RANK and WORLD_SIZE together, got WORLD_SIZE = 2 alone; hint: set both or none");
}

TEST_CASE("every recipe has these conflicts", "[recipes]") {
  const std::string processes =
      "nproc_per_node = 2 asks for 2 processes on this machine, and no launcher started them; "
      "hint: torchrun --no-python --nproc-per-node 2 PROGRAM";
  CHECK(refusal<OsftOptions>([](OsftOptions& o) { o.nproc_per_node = 2; }) == processes);
  CHECK(refusal<LoraSftOptions>([](LoraSftOptions& o) { o.nproc_per_node = 2; }) == processes);
  CHECK(refusal<PromptTuningSftOptions>([](PromptTuningSftOptions& o) { o.nproc_per_node = 2; }) ==
        processes);
  const std::string block = "block_size needs is_pretraining = true";
  CHECK(refusal<OsftOptions>([](OsftOptions& o) { o.block_size = 2; }) == block);
  CHECK(refusal<LoraSftOptions>([](LoraSftOptions& o) { o.block_size = 2; }) == block);
  CHECK(refusal<PromptTuningSftOptions>([](PromptTuningSftOptions& o) { o.block_size = 2; }) ==
        block);
  const std::string best =
      "save_best_val_loss needs held-out data; hint: validation_split or validation_data_path";
  CHECK(refusal<OsftOptions>([](OsftOptions& o) { o.save_best_val_loss = true; }) == best);
  CHECK(refusal<LoraSftOptions>([](LoraSftOptions& o) { o.save_best_val_loss = true; }) == best);
  CHECK(refusal<PromptTuningSftOptions>(
            [](PromptTuningSftOptions& o) { o.save_best_val_loss = true; }) == best);
  CHECK(refusal<LoraSftOptions>([](LoraSftOptions& o) {
          o.load_in_4bit = true;
          o.load_in_8bit = true;
        }) == "expected load_in_4bit or load_in_8bit, got both");
  CHECK(refusal<OsftOptions>([](OsftOptions& o) { o.osft_memory_efficient_init = false; }) ==
        "osft_memory_efficient_init = false is not offered: all matrices would be decomposed "
        "before one is let go; hint: leave it out");
}
