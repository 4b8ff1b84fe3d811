// SPDX-License-Identifier: Apache-2.0
// Recipes by their names, for comparison with peers and for the docs:
//
//   recipe_run tables
//     → {"sft": [{"name", "type", "unit", "help", "default"}, …], …}, members in their order
//   recipe_run run NAME < members, {"model_path": …}
//   recipe_run osft_trainer < members of osft: the same run by a Trainer with Osft
//   recipe_run osft_reference < the same with OsftFactored, whose other tensors train as a whole
//     → {"losses": [of each step], "val_losses": […], "steps", "model"}
//   recipe_run order COUNT BATCH STEPS SEED
//     → [[places in the data of a step's samples], …], of COUNT samples
//
// A recipe is one line of with_recipes().
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "posttrain/base/error_text.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/hub.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/trainer.hpp"

namespace {

using namespace posttrain;

/// use(name, members with their defaults, their table, function)
template <class Use>
void with_recipes(const Use& use) {
  use("sft", SftOptions{}, kSftFields, [](const auto&... all) { return sft(all...); });
  use("osft", OsftOptions{}, kOsftFields, [](const auto&... all) { return osft(all...); });
  use("lora_sft", LoraSftOptions{}, kLoraSftFields,
      [](const auto&... all) { return lora_sft(all...); });
  use("prompt_tuning_sft", PromptTuningSftOptions{}, kPromptTuningSftFields,
      [](const auto&... all) { return prompt_tuning_sft(all...); });
  use("dpo", DpoOptions{}, kDpoFields, [](const auto&... all) { return dpo(all...); });
  use("kto", KtoOptions{}, kKtoFields, [](const auto&... all) { return kto(all...); });
  use("reward", RewardOptions{}, kRewardFields, [](const auto&... all) { return reward(all...); });
  use("grpo", GrpoOptions{}, kGrpoFields, [](const auto&... all) { return grpo(all...); });
  use("lora_grpo", LoraGrpoOptions{}, kLoraGrpoFields,
      [](const auto&... all) { return lora_grpo(all...); });
  use("ppo", PpoOptions{}, kPpoFields, [](const auto&... all) { return ppo(all...); });
}

// ---- Tables -------------------------------------------------------------------------------------

std::string type_of(bool) { return "bool"; }
std::string type_of(double) { return "number"; }
std::string type_of(std::int64_t) { return "integer"; }
std::string type_of(std::uint64_t) { return "integer"; }
std::string type_of(const LiteralString&) { return "text"; }
std::string type_of(const DataSources&) { return "path, or paths with shares"; }
std::string type_of(const RewardFunction&) { return "a verifier's name, or a callable"; }
std::string type_of(const LaunchValue&) { return "integer or text"; }
template <class E>
std::string names_of() {
  std::string all;
  for (int i = 0; i < 32; ++i) {
    const std::string_view name = enum_name(static_cast<E>(i));
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) break;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  return all;
}
std::string type_of(const LearningRateSchedule&) { return names_of<optim::LrScheduler>(); }
template <class E>
std::string type_of(const ByName<E>&) {
  return names_of<E>();
}

/// Nothing, where the member is not given.
template <class T>
Json default_of(const T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else {
    std::string text;
    if constexpr (DescribesItself<T>) {
      text = value.description();
    } else {
      text = std::string(value);
    }
    return text.empty() ? Json() : Json(text);
  }
}

Json tables() {
  Json all = Json::object();
  with_recipes([&](const char* name, const auto& options, const auto& fields, const auto&) {
    Json& rows = all[name] = Json::array();
    for_each_row(fields, options, [&](const Field& row, const auto& value) {
      rows.push_back({{"name", std::string(row.name)},
                      {"type", type_of(value)},
                      {"unit", std::string(row.unit)},
                      {"help", std::string(row.help)},
                      {"default", default_of(value)}});
    });
  });
  return all;
}

// ---- Runs ---------------------------------------------------------------------------------------

template <class T>
void set(T& member, const Json& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    member = value.get<T>();
  } else {
    const bool number = value.is_number_integer();
    if constexpr (std::is_same_v<T, LaunchValue>) {
      if (number) member = value.get<std::int64_t>();
    }
    if (!number) member = value.get<std::string>();
  }
}

template <class O>
O with_members(O options, const Json& given) {
  std::size_t known = 0;
  for_each_field(options, [&](std::string_view name, auto& member) {
    const auto found = given.find(std::string(name));
    if (found == given.end()) return;
    set(member, *found);
    known += 1;
  });
  if (known != given.size()) raise("expected members of the recipe alone, got {}", given.dump());
  return options;
}

struct Listener {
  Json* seen;
  void on(const event::AfterStep& event) const { (*seen)["losses"].push_back(event.metrics.loss); }
  void on(const event::Evaluated& event) const { (*seen)["val_losses"].push_back(event.loss); }
};

Json nothing_seen() { return {{"losses", Json::array()}, {"val_losses", Json::array()}}; }

Json run(const std::string& wanted, const Json& given) {
  Json answer;
  with_recipes(
      [&](const std::string& name, const auto& options, const auto&, const auto& function) {
        if (name != wanted) return;
        answer = nothing_seen();
        const RecipeResult result = function(with_members(options, given), Listener{&answer});
        answer["steps"] = result.steps;
        answer["model"] = result.model;
      });
  if (answer.is_null()) raise("no recipe is named {}", wanted);
  return answer;
}

/// What osft does, with a Trainer of one's own.
template <class Osft>
Json train(const OsftOptions& o, const Osft& osft) {
  Json answer = nothing_seen();
  Trainer trainer(
      hub::PretrainedDecoder(o.model_path.str(), {}), NextToken{}, osft,
      Messages{.path = o.data_path.description()},
      AdamW{.beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .weight_decay = o.weight_decay},
      run_options(o));
  trainer.add(Listener{&answer});
  answer["steps"] = trainer.train().steps;
  return answer;
}

// ---- The order of samples -----------------------------------------------------------------------

Json order(const std::vector<std::string>& numbers) {
  const std::int64_t count = std::stoll(numbers.at(0)), steps = std::stoll(numbers.at(2));
  data::StepSampler sampler(std::vector<std::int64_t>(static_cast<std::size_t>(count), 1),
                            {.effective_batch_size = std::stoll(numbers.at(1)),
                             .max_tokens_per_batch = count,
                             .seed = std::stoull(numbers.at(3))});
  Json all = Json::array();
  while (static_cast<std::int64_t>(all.size()) < steps) {
    const auto step = sampler.next();
    if (!step) continue;
    Json places = Json::array();
    for (const auto& micro_batch : *step) {
      for (const std::int64_t place : micro_batch) places.push_back(place);
    }
    all.push_back(places);
  }
  return all;
}

Json answer_to(const std::vector<std::string>& words) {
  const std::string mode = words.empty() ? "" : words[0];
  if (mode == "tables") return tables();
  if (mode == "order" && words.size() == 5) return order({words.begin() + 1, words.end()});
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const Json given = io::parse_json(text, "standard input");
  if (mode == "run" && words.size() == 2) return run(words[1], given);
  if (mode != "osft_trainer" && mode != "osft_reference") {
    fail("expected tables, order, run, osft_trainer or osft_reference");
  }
  const OsftOptions o = with_members(OsftOptions{}, given);
  if (mode == "osft_reference") {
    return train(o, OsftFactored{.unfreeze_rank_ratio = o.unfreeze_rank_ratio,
                                 .train = "embed_tokens, *norm*"});
  }
  return train(
      o, Osft{.unfreeze_rank_ratio = o.unfreeze_rank_ratio, .target_patterns = o.target_patterns});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::puts(answer_to({argv + 1, argv + argc}).dump().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
