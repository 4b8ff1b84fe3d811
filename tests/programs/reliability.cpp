// SPDX-License-Identifier: Apache-2.0
// A small run and the readers of files, to be put under faults by tests/reliability/campaign.py:
//   reliability make POCKET FOLDER
//     writes a tiny model with the tokenizer of the model folder POCKET, and what goes with it:
//     FOLDER/model, model.gguf, adapter, prompt, delta
//   reliability train MODEL CHATS RUN_DIR OUTPUT STEPS
//     trains it with a checkpoint at every step
//   reliability read MODEL
//     reads jobs "KIND<tab>PATH" from standard input, each in a process of its own with 20 s and
//     4 GB, and answers each with a line of JSON: status, signal, seconds, peak memory, error
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "posttrain/data/messages.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/osft/files.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/trainer.hpp"

namespace {

using namespace posttrain;
using Decoder = hub::PretrainedDecoder;

void make(const std::string& pocket, const std::string& folder) {
  const io::fs::path bare = folder + "/bare";
  io::create_folders(bare);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    if (io::fs::exists(pocket + "/" + name)) io::fs::copy(pocket + "/" + name, bare / name);
  }
  Json config = io::parse_json(io::read_text_file(pocket + "/config.json"), "config.json");
  config["hidden_size"] = 16;
  config["intermediate_size"] = 24;
  config["num_hidden_layers"] = 2;
  config["num_attention_heads"] = 2;
  config["num_key_value_heads"] = 1;
  config["head_dim"] = 8;
  io::write_file_atomically(bare / "config.json", config.dump(2));
  const Decoder drawn = Decoder::from_scratch(bare.string(), {.seed = 1});
  drawn.save(folder + "/model", Full{}.attach(drawn).weights());
  const Decoder model(folder + "/model");
  model.save_gguf(folder + "/model.gguf", Full{}.attach(model).weights(), GgufType::kQ4_0);
  save(Lora{.rank = 2}.attach(model), folder + "/adapter", "model");
  save(PromptTuning{.num_virtual_tokens = 3}.attach(model), folder + "/prompt", "model");
  save(Osft{.unfreeze_rank_ratio = 0.5}.attach(model), folder + "/delta", "model");
}

template <class Model>
auto small_run(const Model& model, const std::string& chats, const std::string& run_dir,
               std::int64_t steps) {
  Options options{.max_steps = steps, .effective_batch_size = 4, .validation_split = 0.2};
  options.learning_rate = 1e-2;
  options.run_dir = run_dir;
  options.checkpoint_steps = 1;
  options.save_best = true;
  options.progress = false;
  return Trainer(model, NextToken{}, Full{}, Messages{.path = chats}, AdamW{}, options);
}

int train(const std::string& folder, const std::string& chats, const std::string& run_dir,
          const std::string& output, std::int64_t steps) {
  auto trainer = small_run(Decoder(folder), chats, run_dir, steps);
  trainer.check_save(output);
  const TrainResult result = trainer.train();
  if (result.interrupted) return 128 + result.signal;
  trainer.save(output);
  return 0;
}

void open_data(const Decoder& base, const auto& policy) {
  const data::LoadContext context{.text = base.text(), .max_tokens_per_batch = 4096};
  data::open_stream(policy, context, 4, base.vocab_size());
}

void read(const std::string& kind, const std::string& path, const Decoder& base) {
  if (kind == "model") {
    const Decoder model(path);
    Full{}.attach(model);
    model.check_all_loaded();
    Messages chats;
    chats.path = path + "/../chats.jsonl";
    if (io::fs::exists(chats.path.str())) open_data(model, chats);
  } else if (kind == "gguf") {
    const Decoder model(path);
    BasicLora<Gguf>{.rank = 2}.attach(model);
    model.check_all_loaded();
    open_data(model, Messages{.path = io::fs::path(path).parent_path().string() + "/chats.jsonl"});
  } else if (kind == "adapter") {
    From<Lora>{.folder = path}.attach(base);
  } else if (kind == "prompt") {
    From<PromptTuning>{.folder = path}.attach(base);
  } else if (kind == "delta") {
    From<Osft>{.folder = path}.attach(base);
  } else if (kind == "chats") {
    open_data(base, Messages{.path = path});
  } else if (kind == "pairs") {
    open_data(base, Preferences{.path = path});
  } else if (kind == "tokens") {
    open_data(base, Tokenized{.path = path});
  } else if (kind == "run") {
    small_run(base, path + "/../chats.jsonl", path, 4).train();
  } else {
    raise("no such kind: {}", kind);
  }
}

/// In a child process. The limit on addresses is above what LibTorch maps before it reads anything.
[[noreturn]] void read_within_limits(const std::string& kind, const std::string& path,
                                     const Decoder& base, int error_pipe) {
  constexpr rlim_t kSeconds = 20, kAddresses = rlim_t{12} << 30;
  const rlimit seconds{kSeconds, kSeconds + 1}, addresses{kAddresses, kAddresses};
  ::setrlimit(RLIMIT_CPU, &seconds);
  ::setrlimit(RLIMIT_AS, &addresses);
  ::alarm(3 * kSeconds);
  ::dup2(error_pipe, STDERR_FILENO);
  int status = 0;
  try {
    read(kind, path, base);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    status = 1;
  }
  std::fflush(stderr);
  ::_exit(status);
}

void answer(const std::string& kind, const std::string& path, const Decoder& base) {
  int ends[2];
  if (::pipe(ends) != 0) raise("no pipe");
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) raise("no process");
  if (child == 0) read_within_limits(kind, path, base, ends[1]);
  ::close(ends[1]);
  std::string error;
  char buffer[4096];
  for (ssize_t size; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    error.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const Json record{{"kind", kind},
                    {"path", path},
                    {"status", WIFEXITED(status) ? WEXITSTATUS(status) : -1},
                    {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                    {"seconds", seconds.count()},
                    {"peak_bytes", usage.ru_maxrss * 1024},
                    {"error", error}};
  fmt::print("{}\n", record.dump(-1, ' ', true, Json::error_handler_t::replace));
  std::fflush(stdout);
}

int run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "make") {
    make(words[1], words[2]);
  } else if (words.size() == 6 && words[0] == "train") {
    return train(words[1], words[2], words[3], words[4], std::stoll(words[5]));
  } else if (words.size() == 2 && words[0] == "read") {
    const Decoder base(words[1]);
    for (std::string line; std::getline(std::cin, line);) {
      const std::size_t tab = line.find('\t');
      answer(line.substr(0, tab), line.substr(tab + 1), base);
    }
  } else {
    fail("expected make, train or read with their arguments");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
