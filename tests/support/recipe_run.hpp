// SPDX-License-Identifier: Apache-2.0
// A tiny model and a few conversations for tests of recipes, and what a run of one left.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/recipes/recipe_result.hpp"
#include "support/temp_folder.hpp"

namespace posttrain::test {

/// A few layers with the pocket model's tokenizer, drawn from `seed`, as a folder.
inline void write_tiny_model(const std::filesystem::path& folder, std::uint64_t seed,
                             int layers = 2) {
  const std::filesystem::path pocket = POSTTRAIN_SOURCE_ROOT "/examples/pocket/model";
  const TempFolder bare;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    std::filesystem::copy(pocket / name, bare / name);
  }
  Json config = io::parse_json(slurp(pocket / "config.json"), "config.json");
  for (const auto& [name, value] :
       {std::pair("hidden_size", 16), std::pair("intermediate_size", 24),
        std::pair("num_hidden_layers", layers), std::pair("num_attention_heads", 2),
        std::pair("num_key_value_heads", 1), std::pair("head_dim", 8)}) {
    config[name] = value;
  }
  bare.write("config.json", config.dump());
  const auto drawn = hub::PretrainedDecoder::from_scratch(bare.path().string(), {.seed = seed});
  drawn.save(folder.string(), Full{}.attach(drawn).weights());
}

inline std::string chat_line(const std::string& question, const std::string& answer) {
  const Json message = {{"role", "user"}, {"content", question}};
  return Json{{"messages", {message, {{"role", "assistant"}, {"content", answer}}}}}.dump() + "\n";
}

/// `count` conversations, none like another, of one word more each.
inline std::string some_chats(int count, const std::string& word = "apples") {
  std::string text, answer = "I have";
  for (int i = 0; i < count; ++i) {
    answer += " " + word;
    text += chat_line("How many is " + std::to_string(i) + "?", answer + ".");
  }
  return text;
}

/// Objects of a JSON Lines file; none where there is no file.
inline std::vector<Json> json_lines(const std::filesystem::path& file) {
  std::vector<Json> all;
  std::istringstream text(slurp(file));
  for (std::string line; std::getline(text, line);) all.push_back(io::parse_json(line, "line"));
  return all;
}

/// Names of a folder's entries, sorted; hidden ones, too.
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What is written to standard error while an action runs.
template <class Action>
std::string said_by(const Action& action) {
  const TempFolder scratch;
  const std::string file = scratch.write("said", "");
  std::fflush(stderr);
  const int kept = ::dup(STDERR_FILENO), own = ::open(file.c_str(), O_WRONLY);
  ::dup2(own, STDERR_FILENO);
  action();
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(own);
  return slurp(file);
}

/// A callback: a signal ends the run in the step behind `step`.
struct StopsAt {
  std::int64_t step;
  void on(const event::StepBegin& event) {
    if (event.step == step) std::raise(SIGTERM);
  }
};

/// What a run of a recipe left.
struct RecipeRun {
  RecipeResult result{};
  std::string error{};  // the line that it was refused with, or nothing
  std::string said{};   // on standard error
  std::filesystem::path folder{};

  Json record() const { return io::parse_json(slurp(folder / "run.json"), "run.json"); }
  Json report() const { return record().at("data_report"); }
  Json parameters() const {
    return io::parse_json(slurp(folder / "training_params.json"), "training_params.json");
  }
  std::vector<Json> data() const { return json_lines(folder / "data/data.jsonl"); }
  std::vector<std::string> models() const { return names_in(folder / "hf_format"); }
  std::vector<std::string> checkpoints() const { return names_in(folder / "checkpoints"); }

  /// Values of a number of the records that have it.
  std::vector<double> numbers(const char* name) const {
    std::vector<double> all;
    for (const Json& record : json_lines(folder / "training_metrics_0.jsonl")) {
      if (record.contains(name)) all.push_back(record.at(name).get<double>());
    }
    return all;
  }
  std::vector<double> losses() const { return numbers("loss"); }
  /// Steps after which there was a validation.
  std::vector<std::int64_t> validated() const {
    std::vector<std::int64_t> all;
    for (const Json& record : json_lines(folder / "training_metrics_0.jsonl")) {
      if (record.contains("val_loss")) all.push_back(record.at("step"));
    }
    return all;
  }
};

/// A folder with a model, ten conversations, and the folders of runs.
class RecipeFolder {
 public:
  RecipeFolder() {
    write("chats.jsonl", some_chats(10));
    write_tiny_model(model(), 1);
  }

  std::string path(const std::string& name) const { return (scratch_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    return scratch_.write(name, text);
  }
  std::string model() const { return path("model"); }
  std::string chats() const { return path("chats.jsonl"); }

  /// Runs `recipe(options)`, in a folder of its own unless `options` name one.
  template <class Options, class Recipe>
  RecipeRun run(Options options, const Recipe& recipe) {
    if (options.ckpt_output_dir.empty()) {
      options.ckpt_output_dir = path("run-" + std::to_string(++runs_));
    }
    RecipeRun run{.folder = options.ckpt_output_dir.str()};
    run.said = said_by([&] { run.error = error_of([&] { run.result = recipe(options); }); });
    return run;
  }

 private:
  TempFolder scratch_;
  int runs_ = 0;
};

}  // namespace posttrain::test
