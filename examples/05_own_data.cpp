// SPDX-License-Identifier: Apache-2.0
// A data policy of one's own: arithmetic problems that exist in no file.
//   05_own_data --model examples/pocket/model
// The policy makes samples; the library's pipeline applies the limits, splits off a validation set
// and counts (data/pipeline/loading.hpp).
#include <optional>

#include "posttrain/base/rng.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace data = posttrain::data;

// [snippet: data]
struct Sums {
  std::int64_t problems = 2000;
  data::LoadedData load(const data::LoadContext& context) const {
    const auto problem = [this, &context, i = std::int64_t{0}]() mutable {
      posttrain::Philox4x32 draw(context.seed, static_cast<std::uint64_t>(i++));
      const auto a = draw.below(100), b = draw.below(100);
      posttrain::Json sample = {fmt::format("{} + {} =", a, b), fmt::format(" {}", a + b)};
      return i <= problems ? std::optional(data::SourceSample{sample, fmt::format("problem {}", i)})
                           : std::nullopt;
    };
    const auto tokenize = [&](const posttrain::Json& sample) {
      const auto& tokenizer = context.text->tokenizer();
      posttrain::Sequence sequence{tokenizer.encode(sample[0].get<std::string>()), {}};
      sequence.weights.assign(sequence.ids.size(), 0.0F);  // a problem is read, not scored …
      const auto answer = tokenizer.encode(sample[1].get<std::string>());
      sequence.ids.insert(sequence.ids.end(), answer.begin(), answer.end());
      sequence.weights.resize(sequence.ids.size(), 1.0F);  // … its answer is
      return std::vector{sequence};
    };
    return data::load_items(
        posttrain::SequenceKind{}, {.path = "sums"}, context,
        [&](auto) { return data::samples_until_nothing(problem); }, tokenize);
  }
};
static_assert(posttrain::LoadsSequences<Sums>);
// [/snippet]

namespace {

using namespace posttrain;

struct Arguments {
  std::string model = "examples/pocket/model";
  std::string device = "cpu";  // or cuda, cuda:1
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Sums sums;
  Options options{
      .max_steps = 60, .validation_split = 0.1, .learning_rate = 5e-4, .warmup_steps = 10};
  options.validation_frequency = 20;
  examples::CommandLine line("Trains on problems that this file makes");
  line.add(arguments);
  line.add(sums);
  line.add(options);
  return line.run(argc, argv, [&] {
    Trainer trainer(hub::PretrainedDecoder(arguments.model, {.device = arguments.device}),
                    NextToken{}, Full{}, sums, AdamW{}, options);
    fmt::print("{}", trainer.report().summary());
    const TrainResult result = examples::train(trainer);
    fmt::print("{} steps, training loss {:.4f}, validation loss {:.4f}\n", result.steps,
               result.loss, result.val_loss);
  });
}
