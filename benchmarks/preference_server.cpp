// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/preference.py: DPO, one step at a time (step_server.hpp).
//
//   preference_server --params full|lora --model DIR --data steps.jsonl [--unshared]
// A data line is one step: {"prompts": [[ids], …], "chosen": …, "rejected": …}.
#include <string>
#include <vector>

#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "step_server.hpp"

namespace {

using namespace posttrain;

Sequence answer(const Json& ids) {
  const auto tokens = ids.get<TokenIds>();
  return {tokens, std::vector<float>(tokens.size(), 1.0F), -1};
}

/// The steps come from the driver; a Trainer wants a data policy all the same.
struct DrivenPairs {
  PairKind kind() const { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext&) const {
    data::LoadedItems<AnswerPair> loaded;
    loaded.train.push_back({{0}, {{1}, {1.0F}, 0}, {{2}, {1.0F}, 0}, 0.0F, 0});
    return loaded;
  }
};

std::vector<PairBatch> read_pairs(const std::string& path, bool share_prompts) {
  std::vector<PairBatch> steps;
  io::JsonLinesReader reader{io::fs::path(path)};
  while (const auto record = reader.next()) {
    if (!record->error.empty()) raise("{}: {}", reader.where(record->line), record->error);
    const Json& line = record->value;
    std::vector<AnswerPair> pairs;
    for (std::size_t i = 0; i < line.at("prompts").size(); ++i) {
      pairs.push_back({line["prompts"][i].get<TokenIds>(), answer(line.at("chosen").at(i)),
                       answer(line.at("rejected").at(i)), 0.0F, static_cast<std::int64_t>(i)});
    }
    std::vector<const AnswerPair*> all;
    for (const AnswerPair& pair : pairs) all.push_back(&pair);
    steps.push_back(pack_pairs(all, share_prompts));
  }
  return steps;
}

template <class Params>
void serve(const benchmarks::ServerOptions& server, const Params& params, bool share_prompts) {
  Trainer trainer(server.decoder(), Dpo{}, params, DrivenPairs{}, AdamW{},
                  benchmarks::step_options());
  benchmarks::serve_steps(trainer, read_pairs(server.data, share_prompts),
                          [](const auto&) { return std::string(); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Our side of benchmarks/preference.py");
  benchmarks::ServerOptions options;
  options.add_to(app);
  std::string params = "lora";
  bool unshared = false;
  app.add_option("--params", params)->check(CLI::IsMember({"full", "lora"}));
  app.add_flag("--unshared", unshared, "read the prompt of a pair once for each answer");
  return benchmarks::run_server(app, argc, argv, [&] {
    if (params == "full") {
      serve(options, WithFrozenReference{Full{}}, !unshared);
    } else {
      serve(options, Lora{.rank = 16, .alpha = 16.0}, !unshared);
    }
  });
}
