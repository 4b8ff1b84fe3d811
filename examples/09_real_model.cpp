// SPDX-License-Identifier: Apache-2.0
// A model from a GGUF file (or a folder) learns a skill, and what that costs its other abilities:
//   09_real_model --model M.gguf --data sums.jsonl --questions heldout.jsonl
//                 --instructions others.jsonl --output DIR [--methods lora osft full]
// For each method: DIR/METHOD, a Hugging Face folder, DIR/METHOD.gguf, and of LoRA the adapter for
// PEFT (DIR/lora-adapter) and for llama.cpp (DIR/lora-adapter.gguf).
// examples/real_model.sh runs it on SmolLM2-135M-Instruct.
#include "posttrain/data/messages.hpp"
#include "posttrain/evaluate/exact_match.hpp"
#include "posttrain/evaluate/retention.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/lora/gguf.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, data, questions, instructions, output;
  std::vector<std::string> methods{"lora", "osft"};  // and full
  std::int64_t rank = 16;                            // of LoRA, with alpha twice that
  double unfreeze_rank_ratio = 0.25;                 // of OSFT
  std::string device = "cpu";                        // or cuda, cuda:1
};

/// What a model can do: held-out questions of the skill, and its first self's answers to
/// instructions of other kinds.
class Abilities {
 public:
  Abilities(const hub::PretrainedDecoder& model, const Arguments& arguments)
      : model_(model),
        base_(Frozen{}.attach(model)),
        questions_(read_questions(arguments.questions)),
        others_(own_answers(arguments.instructions)) {}

  template <class Gate>
  void measure(const std::string& name, const Gate& gate) {
    const ExactMatchShare exact = exact_match(model_, gate, questions_, /*max_new_tokens=*/16);
    const Retention kept = measure_retention(model_, gate, others_, &base_);
    table_ += fmt::format("{:<8}{:>9} of {}{:>17.1f} %{:>9.3f}{:>9.3f}\n", name, exact.right,
                          exact.asked, 100.0 * kept.token_accuracy, kept.loss, kept.kl);
  }
  void measure_base() { measure("before", base_); }

  std::string table() const {
    return fmt::format("{:<8}{:>15}{:>19}{:>9}{:>9}\n", "", "questions right", "base's tokens kept",
                       "loss", "KL") +
           table_;
  }

 private:
  /// Greedy answers of the base, as sequences that score them.
  std::vector<TokenBatch> own_answers(const std::string& path) const {
    constexpr std::int64_t kTokens = 24;
    const text::ChatTokenizer& tokenizer = tokenizer_of(model_);
    data::SequenceStore sequences;
    io::JsonLinesReader lines{io::fs::path(path)};
    while (const auto line = lines.next()) {
      if (!line->error.empty()) raise("{}: {}", lines.where(line->line), line->error);
      Sequence sequence;
      sequence.ids = tokenizer.prompt_ids(text::Conversation::from(line->value));
      const TokenIds answer = generate(model_, base_, sequence.ids, tokenizer.eos_ids(),
                                       {.max_new_tokens = kTokens, .temperature = 0.0})
                                  .ids;
      sequence.weights.resize(sequence.ids.size(), 0.0F);
      sequence.weights.resize(sequence.ids.size() + answer.size(), 1.0F);
      sequence.ids.insert(sequence.ids.end(), answer.begin(), answer.end());
      sequences.push_back(std::move(sequence));
    }
    return data::make_batches(SequenceKind{}, sequences, /*max_tokens=*/2048);
  }

  const hub::PretrainedDecoder& model_;
  FrozenState base_;
  std::vector<Question> questions_;
  std::vector<TokenBatch> others_;
  std::string table_;
};

template <class Params>
void learn(const std::string& method, const hub::PretrainedDecoder& model, const Params& params,
           const Arguments& arguments, Options options, Abilities& abilities) {
  const std::string output = arguments.output + "/" + method;
  options.run_dir = output + "-run";
  fmt::print("\n{}\n", method);
  std::fflush(stdout);
  // [snippet: train]
  Trainer trainer(model, NextToken{}, params, Messages{.path = arguments.data}, AdamW{}, options);
  trainer.check_save(output);
  model.check_save_gguf(output + ".gguf");
  examples::train(trainer);
  abilities.measure(method, trainer.state());
  trainer.save(output);
  model.save_gguf(output + ".gguf", trainer.state().weights());
  if constexpr (std::is_same_v<Params, Lora>) {
    save(trainer, output + "-adapter", arguments.model);
    save_gguf(trainer.state(), model.config(), output + "-adapter.gguf");
  }
  // [/snippet]
}

void learn(const std::string& method, const hub::PretrainedDecoder& model,
           const Arguments& arguments, const Options& options, Abilities& abilities) {
  if (method == "full") return learn(method, model, Full{}, arguments, options, abilities);
  if (method == "osft") {
    const Osft osft{.unfreeze_rank_ratio = arguments.unfreeze_rank_ratio};
    return learn(method, model, osft, arguments, options, abilities);
  }
  const Lora lora{.rank = arguments.rank, .alpha = static_cast<double>(2 * arguments.rank)};
  learn(method, model, lora, arguments, options, abilities);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Options options{.num_epochs = 2, .effective_batch_size = 4, .warmup_steps = 3};
  examples::CommandLine line("Teaches a model a skill and measures what else it still does");
  line.add(arguments, {"model", "data", "questions", "instructions", "output"});
  line.add(options, {}, /*without=*/{"run_dir"});
  return line.run(argc, argv, [&] {
    for (const std::string& method : arguments.methods) {
      if (method == "lora" || method == "osft" || method == "full") continue;
      raise("--methods expected lora, osft or full, got {}", method);
    }
    const hub::PretrainedDecoder model(arguments.model, {.device = arguments.device});
    Abilities abilities(model, arguments);
    abilities.measure_base();
    for (const std::string& method : arguments.methods) {
      Options own = options;
      if (!line.given("--learning-rate")) own.learning_rate = method == "lora" ? 5e-4 : 1e-4;
      learn(method, model, arguments, own, abilities);
    }
    fmt::print("\n{}", abilities.table());
  });
}
