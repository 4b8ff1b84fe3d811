// SPDX-License-Identifier: Apache-2.0
// A loss of one's own: dynamic fine-tuning (DFT, arXiv 2508.05629), which weights the negative
// log-likelihood of every token by the token's probability, without a gradient through the weight:
//   L = Σ_i w_i · (−sg(p_i) log p_i) / Σ_i w_i
// It is trained here on conversations.
//   04_own_loss --model examples/pocket/model --data examples/pocket/data/conversations.jsonl
#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

// [snippet: loss]
struct DynamicFineTuning {
  using Batch = posttrain::TokenBatch;
  static constexpr bool row_local = true;  // the term of a token needs no other token

  /// What the sum is divided by: known before the first backward pass.
  double count(const Batch& batch) const { return batch.weight.sum().item<double>(); }

  /// The sum over the predictions of a batch, differentiable in the scores.
  posttrain::Tensor sum(const posttrain::Scores& scores, const Batch& batch) const {
    const posttrain::Tensor probability = scores.logp.detach().exp();
    return -(probability * scores.logp * batch.weight).sum();
  }
};
static_assert(posttrain::LossPolicy<DynamicFineTuning>);
// [/snippet]

namespace {

using namespace posttrain;

struct Arguments {
  std::string model = "examples/pocket/model";
  std::string data = "examples/pocket/data/conversations.jsonl";
  std::string device = "cpu";  // or cuda, cuda:1
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Options options{
      .max_steps = 60, .validation_split = 0.1, .learning_rate = 7e-4, .warmup_steps = 10};
  options.validation_frequency = 20;
  examples::CommandLine line("Trains with a loss that this file defines");
  line.add(arguments);
  line.add(options);
  return line.run(argc, argv, [&] {
    // [snippet: train]
    const Messages data{.path = arguments.data};
    Trainer trainer(hub::PretrainedDecoder(arguments.model, {.device = arguments.device}),
                    DynamicFineTuning{}, Full{}, data, AdamW{}, options);
    const TrainResult result = examples::train(trainer);
    // [/snippet]
    fmt::print("{} steps, training loss {:.4f}, validation loss {:.4f}\n", result.steps,
               result.loss, result.val_loss);
  });
}
