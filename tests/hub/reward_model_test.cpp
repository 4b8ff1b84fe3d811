// SPDX-License-Identifier: Apache-2.0
// Folders of reward models: from a language model, back again, and what is refused.
#include "posttrain/hub/reward_model.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/data/steps.hpp"
#include "posttrain/generate/generate.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/rewards/reward_model.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;
using namespace posttrain::test;
using posttrain::Json;

namespace {

Json llama_config() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", 300},
          {"hidden_size", 16},
          {"intermediate_size", 24},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"max_position_embeddings", 64},
          {"initializer_range", 0.3},
          {"tie_word_embeddings", false},
          {"eos_token_id", 2}};
}

Json saved_config(const TempFolder& folder, const std::string& name) {
  return Json::parse(io::read_text_file(folder / name / "config.json"));
}

/// A language model of random weights.
std::string language_model(const TempFolder& folder, const Json& config) {
  std::filesystem::create_directories(folder / "empty");
  folder.write("empty/config.json", config.dump());
  const auto model = hub::PretrainedDecoder::from_scratch((folder / "empty").string());
  model.save((folder / "language").string(), Frozen{}.attach(model).weights());
  return (folder / "language").string();
}

Tensor weight(const std::vector<NamedTensor>& weights, const std::string& name) {
  for (const NamedTensor& each : weights) {
    if (each.name == name) return each.value;
  }
  return {};
}

const std::vector<models::PromptAnswers>& some_answers() {
  static const std::vector<models::PromptAnswers> all{
      {some_ids(5, 1), {some_ids(3, 2), some_ids(9, 3)}}, {some_ids(2, 4), {some_ids(1, 5)}}};
  return all;
}

/// An answer that ends in 7, which is good, or in 8.
TokenIds answer(bool good, std::uint64_t seed) {
  TokenIds ids = some_ids(3 + static_cast<std::int64_t>(seed % 4), seed, 300);
  for (TokenId& id : ids) id = std::max(id, 9);
  ids.back() = good ? 7 : 8;
  return ids;
}

struct GoodAndBad {
  std::uint64_t pairs = 64;
  PairKind kind() const { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext&) const {
    data::LoadedItems<AnswerPair> loaded;
    for (std::uint64_t i = 0; i < pairs; ++i) {
      loaded.train.push_back({.prompt = some_ids(4, i, 300),
                              .chosen = {answer(true, 2 * i), {}},
                              .rejected = {answer(false, 2 * i + 1), {}},
                              .sample = static_cast<std::int64_t>(i)});
    }
    return loaded;
  }
};

/// The padding id of a reward model with this configuration and tokenizer.
Json padding_id(const Json& changes, const Json& tokenizer_config) {
  const TempFolder folder;
  Json config = llama_config();
  config.update(changes);
  folder.write("config.json", config.dump());
  if (!tokenizer_config.is_null()) {
    folder.write("tokenizer.json", byte_level({}, {"<eos>", "<pad>"}).dump());
    folder.write("tokenizer_config.json", tokenizer_config.dump());
  }
  const auto model = hub::RewardModel::from_scratch(folder.path().string());
  model.save((folder / "out").string(), Frozen{}.attach(model).weights());
  return saved_config(folder, "out").value("pad_token_id", Json());
}

}  // namespace

TEST_CASE("a language model becomes a reward model with a head of its own", "[models][reward]") {
  const TempFolder folder;
  const std::string language = language_model(folder, llama_config());
  const hub::RewardModel model(language, {.seed = 5});
  const FrozenState gate = Frozen{}.attach(model);
  CHECK_NOTHROW(model.check_all_loaded());  // lm_head stays behind
  CHECK(model.vocab_size() == 300);
  const std::vector<NamedTensor> weights = gate.weights();
  CHECK_FALSE(weight(weights, "lm_head.weight").defined());
  const Tensor head = weight(weights, "score.weight");
  REQUIRE(head.sizes() == at::IntArrayRef({1, 16}));
  CHECK(head.abs().max().item<float>() > 0.05F);
  CHECK(head.std().item<float>() < 0.6F);

  const hub::RewardModel again(language, {.seed = 5}), other(language, {.seed = 6});
  CHECK(at::equal(weight(Frozen{}.attach(again).weights(), "score.weight"), head));
  CHECK_FALSE(at::equal(weight(Frozen{}.attach(other).weights(), "score.weight"), head));
  const hub::PretrainedDecoder original(language);
  const auto body = Frozen{}.attach(original).weights();
  std::size_t same = 0;
  for (const NamedTensor& own : weights) {
    if (own.name == "score.weight") continue;
    CHECK(at::equal(own.value, weight(body, own.name)));
    ++same;
  }
  CHECK(same + 1 == body.size());
}

TEST_CASE("a reward model is saved as a classifier of one label and read again",
          "[models][reward]") {
  const TempFolder folder;
  for (const bool tied : {true, false}) {
    Json config = llama_config();
    config["tie_word_embeddings"] = tied;
    const hub::RewardModel model(language_model(folder, config), {.seed = 5});
    const FrozenState gate = Frozen{}.attach(model);
    model.save((folder / "reward").string(), gate.weights());

    const Json saved = saved_config(folder, "reward");
    CHECK(saved.at("architectures") == Json{"LlamaForSequenceClassification"});
    CHECK(saved.at("id2label") == Json{{"0", "LABEL_0"}});
    CHECK(saved.at("num_labels") == 1);
    CHECK(saved.at("pad_token_id") == 2);  // there is no other than the end
    const hub::RewardModel back((folder / "reward").string(), {.seed = 99});
    const FrozenState gate_back = Frozen{}.attach(back);
    CHECK_NOTHROW(back.check_all_loaded());
    CHECK(models::reward_scores(back, gate_back, some_answers()) ==
          models::reward_scores(model, gate, some_answers()));
  }
}

TEST_CASE("a language model learns to judge answers that it has not seen", "[models][reward]") {
  const TempFolder folder;
  const std::string base = language_model(folder, llama_config());
  const std::string judge_folder = (folder / "judge").string();
  const GoodAndBad pairs;
  Options options;
  options.effective_batch_size = 16;
  options.learning_rate = 1e-2;
  options.num_epochs = 10;
  options.progress = false;
  std::vector<models::PromptAnswers> answers;
  for (std::uint64_t i = 1000; i < 1030; ++i) {
    answers.push_back({some_ids(4, i, 300), {answer(true, i), answer(false, i + 500)}});
  }
  const auto right = [&](const auto& model, const auto& gate) {
    std::size_t count = 0;
    for (const auto& both : models::reward_scores(model, gate, answers)) count += both[0] > both[1];
    return count;
  };
  // [snippet: reward]
  const hub::RewardModel model(base);
  Trainer trainer(model, BradleyTerry{.center_rewards_coefficient = 0.01}, Full{},
                  RewardPairs{pairs}, AdamW{}, options);
  trainer.train();
  trainer.save(judge_folder);

  const hub::RewardModel judge(judge_folder);
  const FrozenState gate = Frozen{}.attach(judge);
  const std::vector<std::vector<double>> rewards = models::reward_scores(judge, gate, answers);
  // [/snippet]
  CHECK(right(model, Frozen{}.attach(model)) < 25);
  CHECK(right(judge, gate) >= 29);
  CHECK(rewards == models::reward_scores(model, trainer.state(), answers));
}

TEST_CASE("a language model learns from a file which steps are right", "[models][reward]") {
  const TempFolder folder;
  const std::string base = language_model(folder, llama_config());
  folder.write("language/tokenizer.json", byte_level({}, {"<eos>"}).dump());
  folder.write("language/tokenizer_config.json", R"({"eos_token": "<eos>"})");
  // A step with "!" is right.
  const auto record = [](std::uint64_t seed) {
    data::SteppedRecord made;
    made.prompt.text = fmt::format("{}?", seed % 10);
    for (std::uint64_t i = 0; i < 2 + seed % 3; ++i) {
      const bool right = (seed >> i) % 2 == 0;
      made.steps.push_back(fmt::format("{}{}", (seed * 7 + i) % 100, right ? "!" : "."));
      made.labels.push_back(right ? 1.0F : 0.0F);
    }
    return made;
  };
  std::string lines;
  for (std::uint64_t i = 0; i < 96; ++i) {
    const data::SteppedRecord made = record(i);
    lines +=
        Json{{"prompt", made.prompt.text}, {"completions", made.steps}, {"labels", made.labels}}
            .dump() +
        "\n";
  }
  const std::string path = folder.write("steps.jsonl", lines);
  Options options;
  options.effective_batch_size = 16;
  options.learning_rate = 1e-2;
  options.num_epochs = 10;
  options.progress = false;
  const hub::RewardModel model(base);
  // [snippet: steps]
  Trainer trainer(model, StepReward{}, Full{}, SteppedSolutions{.path = path}, AdamW{}, options);
  trainer.train();
  // [/snippet]
  std::vector<SteppedSolution> solutions;
  for (std::uint64_t i = 1000; i < 1020; ++i) {
    solutions.push_back(data::stepped_solution(*model.text(), record(i)));
  }
  const auto right = [&](const auto& gate) {
    const auto rewards = models::step_reward_scores(model, gate, solutions);
    double count = 0.0, all = 0.0;
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      for (std::size_t step = 0; step < rewards[i].size(); ++step) {
        count += (rewards[i][step] > 0.0) == (solutions[i].labels[step] > 0.5F);
        all += 1.0;
      }
    }
    return count / all;
  };
  CHECK(right(Frozen{}.attach(model)) < 0.8);
  CHECK(right(trainer.state()) > 0.95);
}

TEST_CASE("the padding id is one that ends nothing, where there is one", "[models][reward]") {
  CHECK(padding_id(Json::object(), nullptr) == 2);
  CHECK(padding_id({{"pad_token_id", 7}}, nullptr) == 7);
  CHECK(padding_id({{"eos_token_id", {3, 2}}}, nullptr) == 3);
  CHECK(padding_id({{"eos_token_id", nullptr}}, nullptr).is_null());
  const Json own{{"eos_token", "<eos>"}, {"pad_token", "<pad>"}};
  CHECK(padding_id({{"pad_token_id", 7}}, own) == 257);
  const Json shared{{"eos_token", "<eos>"}, {"pad_token", "<eos>"}};
  CHECK(padding_id({{"pad_token_id", 7}}, shared) == 7);
  CHECK(padding_id(Json::object(), shared) == 256);
  CHECK(padding_id(Json::object(), {{"eos_token", "<eos>"}}) == 256);
}

TEST_CASE("what is no reward model is refused", "[models][reward]") {
  const TempFolder folder;
  const auto open = [&](const Json& changes, bool reward = true) {
    Json config = llama_config();
    config.update(changes);
    folder.write("config.json", config.dump());
    const std::string path = folder.path().string();
    if (reward) {
      hub::RewardModel::from_scratch(path);
    } else {
      hub::PretrainedDecoder::from_scratch(path);
    }
  };
  const Json classifier{{"architectures", {"LlamaForSequenceClassification"}}};
  CHECK_THROWS_WITH(
      open(classifier, false),
      Catch::EndsWith(
          "config.json: architecture \"LlamaForSequenceClassification\" is not supported for "
          "model_type \"llama\", only LlamaForCausalLM; hint: hub::RewardModel opens it"));
  CHECK_THROWS_WITH(
      open(classifier),
      Catch::EndsWith("config.json: expected one label (num_labels = 1), the reward, got 2"));
  Json three = classifier;
  three["id2label"] = {{"0", "a"}, {"1", "b"}, {"2", "c"}};
  CHECK_THROWS_WITH(
      open(three),
      Catch::EndsWith("config.json: expected one label (num_labels = 1), the reward, got 3"));
  CHECK_THROWS_WITH(
      open({{"architectures", {"GraniteForCausalLM"}}, {"model_type", "granite"}}),
      Catch::EndsWith("config.json: transformers has no reward model of model_type \"granite\"; "
                      "supported: llama, "
                      "mistral, qwen2, qwen3, smollm3, phi3, gemma2, gemma3_text, gpt2"));

  // A classifier has to have its head.
  const std::string language = language_model(folder, llama_config());
  Json config = llama_config();
  config.update(classifier);
  config["num_labels"] = 1;
  folder.write("language/config.json", config.dump());
  const hub::RewardModel headless(language);
  CHECK_THROWS_WITH(Frozen{}.attach(headless), Catch::Contains("missing key 'score.weight'"));

  folder.write("language/config.json", llama_config().dump());
  const hub::RewardModel model(language);
  CHECK_THROWS_WITH(generate(model, Frozen{}.attach(model), TokenIds{1}, {2}),
                    "expected a model that predicts tokens, got a reward model");
}
