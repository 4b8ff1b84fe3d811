// SPDX-License-Identifier: Apache-2.0
// A training loop of one's own, from the components that a Trainer is made of:
//   10_own_loop [MODEL [DATA]]
#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/params/full.hpp"

using namespace posttrain;

int main(int argc, char** argv) {
  // [snippet: loop]
  const hub::PretrainedDecoder model(argc > 1 ? argv[1] : "examples/pocket/model");
  Messages data{.path = argc > 2 ? argv[2] : "examples/pocket/data/conversations.jsonl"};
  const data::LoadContext context{.text = model.text(), .max_tokens_per_batch = 4096};
  auto stream = data::open_stream(data, context, /*effective_batch_size=*/16, model.vocab_size());
  auto state = Full{}.attach(model);  // the weights, and the gate that the model computes through
  auto optimizer = AdamW{}.attach(state.trainable());
  const NextToken loss;
  const auto head = [&](const Tensor& rows) { return model.logits(state, rows); };
  for (int step = 1; step <= 20;) {
    const auto batches = stream.next();  // the micro-batches of one optimizer step
    if (!batches) continue;              // the end of an epoch
    double count = 0.0, sum = 0.0;
    for (const TokenBatch& batch : *batches) count += loss.count(batch);
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    for (const TokenBatch& batch : *batches) {
      sum += backward_through_head(head, model.hidden(state, batch), batch, loss, loss.needs(),
                                   /*scale=*/1.0 / count, head_chunk_rows(model.vocab_size()))
                 .item<double>();
    }
    const double norm = optim::global_norm(state.trainable());
    optimizer.step(state.trainable(), /*learning_rate=*/7e-4, optim::clip_coefficient(norm, 1.0));
    state.publish();  // masters into the weights that the model computes with
    fmt::print("step {}: loss {:.4f}, gradient norm {:.4f}\n", step++, sum / count, norm);
  }
  // [/snippet]
}
