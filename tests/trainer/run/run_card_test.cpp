// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/run_card.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/version.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"
#include "support/token_file.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace fs = std::filesystem;

namespace {

/// A saved model, as the snapshot of a name of the Hub.
std::string saved_base(const TempFolder& scratch) {
  fs::create_directories(scratch / "bare");
  scratch.write("bare/config.json", R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 60,
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "max_position_embeddings": 64, "tie_word_embeddings": true})");
  const auto model = hub::PretrainedDecoder::from_scratch(scratch / "bare");
  const std::string folder = scratch / "models--org--base/snapshots/0123";
  model.save(folder, Frozen{}.attach(model).weights());
  return folder;
}

/// A model whose `save` takes no card.
struct Plain : hub::PretrainedDecoder {
  using PretrainedDecoder::PretrainedDecoder;
  void save(const std::string& folder, const std::vector<NamedTensor>& weights) const {
    hub::PretrainedDecoder::save(folder, weights);
  }
};

std::string hash_of_file(const fs::path& file) {
  ContentHash hash;
  hash.add(slurp(file));
  return hash.text();
}

/// What stands between the backquotes of the card's JSON block.
Json policies_of(const std::string& card) {
  const std::size_t begin = card.find("```json\n");
  REQUIRE(begin != card.npos);
  return Json::parse(card.substr(begin + 8, card.find("\n```\n", begin) - begin - 8));
}

std::string header_of(const std::string& card) { return card.substr(0, card.find("\n---\n") + 5); }

}  // namespace

TEST_CASE("a folder that a Trainer saves tells what it was made of", "[trainer][model_card]") {
  const TempFolder scratch;
  const std::string base = saved_base(scratch);
  CHECK_FALSE(fs::exists(fs::path(base) / "README.md"));  // no run, no card
  scratch.write("models--org--base/snapshots/0123/README.md",
                "---\nlicense: mit\nlanguage:\n- en\n---\n# Base\n");
  const std::string tokens = write_successors(scratch);
  const std::string output = scratch / "tuned";
  const hub::PretrainedDecoder model(base);
  Options options = small_run(3, 4);
  options.validation_split = 0.25;
  options.save_best = true;
  options.run_dir = (scratch / "run").string();
  Trainer trainer(model, NextToken{.z_loss = 0.25}, Full{}, Tokenized{.path = tokens}, AdamW{},
                  options);
  const TrainResult result = trainer.train();
  trainer.save(output);

  const std::string card = slurp(scratch / "tuned/README.md");
  CHECK(header_of(card) ==
        "---\n"
        "library_name: transformers\n"
        "model_name: tuned\n"
        "base_model: org/base\n"
        "base_model_relation: finetune\n"
        "pipeline_tag: text-generation\n"
        "language:\n- en\n"
        "license: mit\n"
        "tags:\n- posttrain\n- next-token\n- full\n"
        "---\n");
  CHECK(
      contains(card, fmt::format("Trained with posttrain {}: loss `NextToken`, parameters `Full`, "
                                 "data `Tokenized`, optimizer `AdamW`.\n",
                                 kVersion)));
  CHECK(contains(card, "- name: `org/base`\n- path: `" + base + "`\n- content: `" +
                           model.content().text() + "`\n"));
  CHECK(
      contains(card, "16 samples read: 12 sequences for training, 4 for validation, 192 tokens, "));
  CHECK(contains(card, fmt::format("- `{}`: {} bytes, content `{}`\n", tokens,
                                   fs::file_size(tokens), hash_of_file(tokens))));
  CHECK(contains(card, "- steps: 3 of 3\n"));
  CHECK(contains(card, fmt::format("- loss of the last step: {:.6g}\n- val_loss: {:.6g}\n",
                                   result.loss, result.val_loss)));
  const Json policies = policies_of(card);
  const Json record = Json::parse(slurp(scratch / "run/run.json"));
  for (const char* part : {"loss", "params", "data", "optimizer"}) {
    CHECK(policies.at(part) == record.at(part));
  }
  CHECK(policies["loss"]["z_loss"] == 0.25);
  CHECK(policies["options"]["learning_rate"] == options.learning_rate);
  CHECK_FALSE(policies["options"].contains("run_dir"));
  CHECK(contains(record["data_report"]["files"].get<std::string>(), tokens));
  CHECK(contains(slurp(scratch / "run/best/README.md"), "- lowest val_loss: "));

  // Ours is replaced, another is kept to the byte.
  const std::string other = "# My model\r\n\xff no card";
  trainer.save(output);
  CHECK(slurp(scratch / "tuned/README.md") == card);
  scratch.write("tuned/README.md", other);
  trainer.save(output);
  CHECK(slurp(scratch / "tuned/README.md") == other);
  model.save(output, trainer.state().weights());
  CHECK(slurp(scratch / "tuned/README.md") == other);
}

TEST_CASE("an adapter and a prompt have cards of their own kind", "[trainer][model_card]") {
  const TempFolder scratch;
  const std::string base = saved_base(scratch);
  const std::string tokens = write_successors(scratch);
  const hub::PretrainedDecoder model(base);
  const auto train = [&](const auto& params) {
    Trainer trainer(model, NextToken{}, params, Tokenized{.path = tokens}, AdamW{},
                    small_run(1, 4));
    trainer.train();
    return trainer;
  };
  const auto lora = [&] {
    const std::string folder = scratch / "adapter", base_model = "other/base";
    const Options options = small_run(1, 4);
    // [snippet: save]
    Trainer trainer(model, NextToken{}, Lora{.rank = 2}, Tokenized{.path = tokens}, AdamW{},
                    options);
    trainer.train();
    save(trainer, folder, base_model);
    // [/snippet]
    return trainer;
  }();
  std::string card = slurp(scratch / "adapter/README.md");
  CHECK(contains(header_of(card),
                 "library_name: peft\nmodel_name: adapter\nbase_model: org/base\n"
                 "base_model_relation: adapter\n"));
  CHECK(contains(header_of(card), "tags:\n- posttrain\n- next-token\n- lora\n---\n"));
  CHECK(policies_of(card)["params"]["rank"] == 2);
  CHECK(Json::parse(slurp(scratch / "adapter/adapter_config.json"))["base_model_name_or_path"] ==
        "other/base");
  save(lora.state(), scratch / "adapter", base);
  CHECK_FALSE(fs::exists(scratch / "adapter/README.md"));  // no run: no card, and not the old one

  save(train(From<Lora>{.folder = (scratch / "adapter").string()}), scratch / "more");
  CHECK(contains(header_of(slurp(scratch / "more/README.md")),
                 "tags:\n- posttrain\n- next-token\n- lora\n---\n"));
  scratch.write("more/README.md", "mine");
  save(train(PrefixTuning{.num_virtual_tokens = 2}), scratch / "prefix");
  CHECK(contains(header_of(slurp(scratch / "prefix/README.md")), "- prefix-tuning\n"));
  save(train(PromptTuning{.num_virtual_tokens = 2}), scratch / "more");
  CHECK(slurp(scratch / "more/README.md") == "mine");
}

TEST_CASE("a card says no more than is known", "[trainer][model_card]") {
  const TempFolder scratch;
  const std::string base = saved_base(scratch);
  const std::string tokens = write_successors(scratch);
  const auto model = hub::PretrainedDecoder::from_scratch(scratch / "bare");
  Trainer trainer(model, NextToken{}, Full{}, Tokenized{.path = tokens}, AdamW{}, small_run(1, 4));
  std::string text = trainer.card("org/base").text("out");
  CHECK(contains(text, "Weights drawn at random"));
  CHECK_FALSE(contains(text, "base_model"));
  CHECK_FALSE(contains(text, "license"));
  CHECK_FALSE(contains(text, "val_loss"));
  CHECK_FALSE(contains(text, "loss of the last step"));
  CHECK(contains(text, "- steps: 0 of 1\n"));

  Trainer plain(Plain(base), NextToken{}, Full{}, Tokenized{.path = tokens}, AdamW{},
                small_run(1, 4));
  plain.save(scratch / "plain");
  CHECK(fs::exists(scratch / "plain/model.safetensors"));
  CHECK_FALSE(fs::exists(scratch / "plain/README.md"));

  // Data that changed behind the run.
  Trainer later(hub::PretrainedDecoder(base), NextToken{}, Full{}, Tokenized{.path = tokens},
                AdamW{}, small_run(1, 4));
  const auto bytes = fs::file_size(tokens);
  scratch.write(fs::path(tokens).filename().string(), "{}\n");
  text = later.card().text("out");
  CHECK(contains(text, fmt::format("`: {} bytes when it was read, changed since\n", bytes)));
  CHECK(contains(text, "base_model: org/base\n"));

  // A folder of no name: the path is no name of the Hub, what the caller knows may be.
  fs::rename(scratch / "models--org--base", scratch / "moved");
  const std::string moved = scratch / "moved/snapshots/0123";
  scratch.write(fs::path(tokens).filename().string(), "{\"input_ids\": [1, 2, 3]}\n");
  const Trainer local(hub::PretrainedDecoder(moved), NextToken{}, Full{}, Tokenized{.path = tokens},
                      AdamW{}, small_run(1, 4));
  CHECK_FALSE(contains(local.card().text("out"), "base_model"));
  CHECK_FALSE(contains(local.card(moved).text("out"), "base_model"));
  CHECK(contains(local.card("org/known").text("out"), "base_model: org/known\n"));
}

namespace {

/// Stands for a policy that is chosen at run time.
struct Chosen {
  explicit Chosen(int) {}
  std::string description() const { return "Dpo{.beta = 0.1, .label_smoothing = 0}"; }
};
struct InMemory {
  LiteralString texts = "";
};
struct NoModel {};

}  // namespace

TEST_CASE("policies are named by what they are made of", "[trainer][model_card]") {
  RunRecord record, sum;
  sum.add("type", std::string_view("LossSum"));
  sum.add("first", to_record(Chosen(1)));
  sum.add("second", to_record(0.5 * OnChosen{NextToken{}}));
  record.add("loss", sum);
  record.add("params", to_record(WithCritic{BasicLora<Nf4>{}}));
  const std::string long_text(3000, 'x');
  record.add("data", to_record(InMemory{.texts = long_text}));
  record.add("optimizer", to_record(AdamW{}));
  record.add("options", to_record(Options{}));
  const auto card = [&] {
    return RunCard(record).card(NoModel{}, Progress{}, 1, data::DataReport{}).text("a");
  };
  std::string text = card();
  CHECK(contains(text,
                 "tags:\n- posttrain\n- dpo\n- on-chosen\n- next-token\n- with-critic\n- "
                 "lora\n---\n"));
  CHECK(contains(text,
                 "loss `Dpo` + `OnChosen` of `NextToken`, parameters `WithCritic` of `Lora`, "));
  CHECK(policies_of(text)["data"]["texts"] == std::string(1000, 'x') + "… (3000 bytes)");
  record.add("loss", to_record(Dpo{} + 0.0 * OnChosen{NextToken{}}));
  text = card();
  CHECK(contains(text, "loss `Dpo`, "));
  CHECK_FALSE(contains(text, "next-token"));
}
