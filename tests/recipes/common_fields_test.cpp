// SPDX-License-Identifier: Apache-2.0
// One name has one meaning in all recipes: one unit, one line of help, one type, one default.
#include "posttrain/recipes/common_fields.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "posttrain/hub.hpp"
#include "posttrain/trainer/options.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

/// A field of a recipe's aggregate, as its table and its declaration have it.
struct Member {
  std::string recipe, unit, help, type, preset;
};
using Members = std::map<std::string, std::vector<Member>>;

template <class Options, std::size_t N>
void add(Members& all, const std::string& recipe, const std::array<Field, N>& table) {
  for_each_row(table, Options{}, [&]<class Value>(const Field& row, const Value& value) {
    all[std::string(row.name)].push_back({recipe, std::string(row.unit), std::string(row.help),
                                          std::string(posttrain::detail::type_spelling<Value>()),
                                          describe(value)});
  });
}

/// Those of every recipe; one line each.
Members all_members() {
  Members all;
  add<SftOptions>(all, "sft", kSftFields);
  add<OsftOptions>(all, "osft", kOsftFields);
  add<LoraSftOptions>(all, "lora_sft", kLoraSftFields);
  add<PromptTuningSftOptions>(all, "prompt_tuning_sft", kPromptTuningSftFields);
  add<DpoOptions>(all, "dpo", kDpoFields);
  add<KtoOptions>(all, "kto", kKtoFields);
  add<RewardOptions>(all, "reward", kRewardFields);
  add<GrpoOptions>(all, "grpo", kGrpoFields);
  add<LoraGrpoOptions>(all, "lora_grpo", kLoraGrpoFields);
  add<PpoOptions>(all, "ppo", kPpoFields);
  return all;
}

/// Defaults that differ from those of all other recipes, "recipe.field" → default.
const std::map<std::string, std::string> kOtherDefaults{
    // Training Hub's own of lora_sft().
    {"lora_sft.num_epochs", "3"},
    {"lora_sft.learning_rate", "0.0002"},
    {"lora_sft.max_seq_len", "2048"},
    {"lora_sft.warmup_steps", "10"},
    {"lora_sft.lr_scheduler", "linear"},
    {"lora_sft.weight_decay", "0.01"},
    {"lora_sft.max_grad_norm", "0.3"},
    // And of sft().
    {"sft.checkpoint_at_epoch", "true"},
    // And of lora_grpo() and grpo().
    {"grpo.max_grad_norm", "0.1"},
    {"lora_grpo.max_grad_norm", "0.1"},
    {"lora_grpo.lora_alpha", "8"},
    // TRL's.
    {"dpo.learning_rate", "1e-06"},
    {"kto.learning_rate", "1e-06"},
    {"kto.loss_type", "kto"},
    {"dpo.loss_type", "sigmoid"},
    // What chooses the parameters is 0 where they are chosen by it.
    {"lora_sft.lora_r", "16"},
    {"lora_grpo.lora_r", "16"},
    {"osft.unfreeze_rank_ratio", "0.25"},
    // A prompt is a few rows far from where they end.
    {"prompt_tuning_sft.learning_rate", "0.01"},
};

/// The default of most recipes.
std::string usual_default(const std::vector<Member>& members) {
  std::map<std::string, int> counts;
  for (const Member& member : members) counts[member.preset] += 1;
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// The names of a table, in its order.
template <std::size_t N>
std::vector<std::string_view> names_of(const std::array<Field, N>& table) {
  std::vector<std::string_view> names;
  for (const Field& field : table) names.push_back(field.name);
  return names;
}

}  // namespace

TEST_CASE("one name has one unit, one help and one type in all recipes", "[recipes]") {
  for (const auto& [name, members] : all_members()) {
    for (const Member& member : members) {
      INFO(member.recipe << "." << name << " and " << members[0].recipe << "." << name);
      CHECK(member.unit == members[0].unit);
      CHECK(member.help == members[0].help);
      CHECK(member.type == members[0].type);
    }
  }
}

TEST_CASE("one name has one default in all recipes, but for a few", "[recipes]") {
  std::set<std::string> found;
  for (const auto& [name, members] : all_members()) {
    const std::string usual = usual_default(members);
    for (const Member& member : members) {
      const std::string whole = member.recipe + "." + name;
      INFO(whole);
      const auto other = kOtherDefaults.find(whole);
      if (other == kOtherDefaults.end()) {
        CHECK(member.preset == usual);
      } else {
        CHECK(member.preset == other->second);
        CHECK(member.preset != usual);  // else it is no exception
        found.insert(whole);
      }
    }
  }
  CHECK(found.size() == kOtherDefaults.size());
}

TEST_CASE("the fields that recipes share have one order", "[recipes]") {
  const std::vector<std::string_view> order = names_of(kSftFields);
  const auto in_order = [&](const auto& table) {
    std::vector<std::string_view> shared;
    for (const std::string_view name : names_of(table)) {
      if (std::find(order.begin(), order.end(), name) != order.end()) shared.push_back(name);
    }
    std::vector<std::string_view> expected;
    for (const std::string_view name : order) {
      if (std::find(shared.begin(), shared.end(), name) != shared.end()) expected.push_back(name);
    }
    CHECK(shared == expected);
    // A method's own stand behind the paths.
    CHECK(names_of(table)[2] == "ckpt_output_dir");
  };
  in_order(kOsftFields);
  in_order(kLoraSftFields);
  in_order(kPromptTuningSftFields);
  in_order(kDpoFields);
  in_order(kKtoFields);
  in_order(kRewardFields);
  in_order(kGrpoFields);
  in_order(kLoraGrpoFields);
  in_order(kPpoFields);
}

TEST_CASE("help is one short line, and a unit one word", "[recipes]") {
  for (const auto& [name, members] : all_members()) {
    INFO(name);
    const Member& member = members[0];
    CHECK(member.help.size() < 130);
    CHECK(member.help.find('\n') == std::string::npos);
    CHECK(member.help.back() != '.');
    CHECK(member.unit.find(' ') == std::string::npos);
  }
}

TEST_CASE("what a recipe shares with a run has the run's default", "[recipes]") {
  std::map<std::string, std::string> own;
  for_each_field(posttrain::Options{}, [&](std::string_view name, const auto& value) {
    own[std::string(name)] = describe(value);
  });
  // The run's are those of a Trainer by itself.
  const std::set<std::string> other{"lr_scheduler"};
  for_each_row(kSftFields, SftOptions{}, [&](const Field& row, const auto& value) {
    const auto found = own.find(std::string(row.name));
    if (found == own.end() || other.count(found->first) || row.name == "checkpoint_at_epoch")
      return;
    INFO(row.name);
    CHECK(describe(value) == found->second);
  });
}
