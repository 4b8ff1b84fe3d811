// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/grpo.py: GRPO on one prompt's group, a JSON line for each of standard
// input.
//
//   grpo_server --model DIR --params full|lora [--dtype bfloat16]
//   {"prompt": [ids], "completions": [[ids], …], "shared": bool}        an update on given samples
//   {"prompt": [ids], "samples": n, "new": m, "shared": bool}           samples first, then updates
//       →  {"seconds", "generate_seconds", "loss", "grad_norm"}
// Without "shared" nothing is read once for several samples: each has a prompt of its own (when
// sampling, one that differs in its first id). The reward of a sample is its share of even ids.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "posttrain/data/rollout_file.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "step_server.hpp"

namespace {

using namespace posttrain;

/// The steps come from the driver; a Trainer wants a data policy all the same.
struct DrivenRollouts {
  using Batch = RolloutBatch;

  data::RolloutFileStream open(const data::LoadContext&, std::int64_t) const {
    data::RecordedGroups none;
    none.groups.emplace_back();
    none.group_size = 2;
    return {none, {.prompts = 1}, 1.0};
  }
};

RolloutSample judged(TokenIds ids) {
  RolloutSample sample;
  sample.sampled.assign(ids.size(), 1);
  double even = 0.0;
  for (const TokenId id : ids) even += id % 2 == 0 ? 1.0 : 0.0;
  sample.reward = even / static_cast<double>(ids.size());
  sample.ids = std::move(ids);
  return sample;
}

template <class Params>
class Server {
 public:
  Server(const benchmarks::ServerOptions& options, const Params& params)
      : trainer_(options.decoder(), Grpo{}, params, DrivenRollouts{}, AdamW{},
                 benchmarks::step_options()) {}

  Json answer(const Json& asked) {
    const bool shared = asked.at("shared");
    const Stopwatch all;
    Rollout rollout;
    RolloutGroup& group = rollout.groups.emplace_back();
    asked.at("prompt").get_to(group.prompt);
    if (asked.contains("completions")) {
      for (const Json& ids : asked.at("completions")) {
        group.samples.push_back(judged(ids.get<TokenIds>()));
      }
    } else {
      sample(group, asked.at("samples"), asked.at("new"), shared);
    }
    const double generated = all.seconds();
    const StepMetrics metrics = trainer_.step({batch_of(rollout, shared)});
    return {{"seconds", all.seconds()},
            {"generate_seconds", generated},
            {"loss", metrics.loss},
            {"grad_norm", metrics.grad_norm}};
  }

 private:
  void sample(RolloutGroup& group, std::int64_t samples, std::int64_t new_tokens, bool shared) {
    Generator generator(trainer_.model(), trainer_.state(), {}, {.max_live = samples});
    const Sampling sampling{.max_new_tokens = new_tokens, .temperature = 1.0};
    std::vector<Request> requests;
    const std::int64_t count = shared ? 1 : samples;
    for (std::int64_t i = 0; i < count; ++i) {
      Request request{.prompt = group.prompt, .sampling = sampling, .samples = samples / count};
      request.epoch = static_cast<std::uint64_t>(trainer_.steps());
      request.prompt_index = static_cast<std::uint64_t>(i);
      if (!shared) request.prompt[0] = static_cast<TokenId>(i);
      requests.push_back(std::move(request));
    }
    for (auto& of_request : generator.run(std::move(requests))) {
      for (Completion& completion : of_request) {
        group.samples.push_back(judged(std::move(completion.ids)));
      }
    }
  }

  RolloutBatch batch_of(const Rollout& rollout, bool shared) const {
    const Grpo loss;
    const Advantages advantages = loss.advantages(rollout);
    const RolloutGroup& group = rollout.groups[0];
    std::vector<const RolloutGroup*> groups{&group};
    std::vector<const std::vector<SampleAdvantage>*> of_groups{&advantages[0]};
    std::vector<RolloutItem> items = rollout_items(groups, of_groups, loss.rollout_needs());
    std::vector<RolloutGroup> apart(items.size(), {group.prompt, group.sample, {}, {}});
    for (std::size_t i = 0; i < items.size() && !shared; ++i) items[i].group = &apart[i];
    return pack_rollout(items, rollout.temperature);
  }

  Trainer<hub::PretrainedDecoder, Grpo, Params, DrivenRollouts, AdamW> trainer_;
};

template <class Params>
void serve(const benchmarks::ServerOptions& options, const Params& params) {
  Server<Params> server(options, params);
  std::printf("READY\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    std::printf("%s\n", server.answer(Json::parse(line)).dump().c_str());
    std::fflush(stdout);
  }
  std::printf("{}\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("GRPO for benchmarks/grpo.py");
  benchmarks::ServerOptions options;
  options.add_to(app);
  std::string params = "full";
  app.add_option("--params", params)->check(CLI::IsMember({"full", "lora"}));
  return benchmarks::run_server(app, argc, argv, [&] {
    if (params == "lora") {
      serve(options, Lora{.rank = 16, .alpha = 16.0});
    } else {
      serve(options, Full{});
    }
  });
}
