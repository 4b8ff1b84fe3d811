// SPDX-License-Identifier: Apache-2.0
// One minimal policy of each kind, as docs/concepts.md shows them: they train.
#include <algorithm>
#include <cmath>

#include "posttrain/base/rng.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/forwarding.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"
#include "support/token_file.hpp"

using namespace posttrain;

// [snippet: model]
/// Predicts the next token from the present one alone: a table of vectors and a matrix.
struct Bigram {
  std::int64_t vocab = 50;
  std::int64_t width = 16;

  // What a parameter policy needs to make its state.
  Layout layout() const {
    Layout layout;
    layout.tables.push_back({.name = "embedding.weight", .rows = vocab, .columns = width});
    layout.sites.push_back({.parts = {{.name = "head", .rows = vocab}}, .in = width});
    return layout;
  }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double, bool) const {
    Tensor start = at::empty(shape);
    Philox4x32 random(/*seed=*/1, name.size());
    std::generate_n(start.data_ptr<float>(), start.numel(), [&] { return 0.1F * random.normal(); });
    return start;
  }
  at::ScalarType dtype() const { return at::kFloat; }
  at::Device device() const { return at::kCPU; }

  // What the Trainer calls.
  std::int64_t vocab_size() const { return vocab; }
  Tensor hidden(const auto& gate, const TokenBatch& batch) const {
    return gate.embed(0, batch.ids);  // [T, width]
  }
  Tensor logits(const auto& gate, const Tensor& rows) const {
    return gate.linear(0, rows);  // [n, vocab]
  }
};
// [/snippet]

// [snippet: params]
/// Trains one vector that is added to every token embedding; all weights of the model are frozen.
class SteeringState : public Forwarding<FrozenState> {
 public:
  explicit SteeringState(const auto& model) : Forwarding(Frozen{}.attach(model)) {
    const std::int64_t width = model.layout().tables.at(0).columns;
    const Tensor zeros = at::zeros({width}, model.device());
    groups_ = {{.name = "steering", .value = zeros, .master = zeros, .grad = zeros.clone()}};
  }

  // What the model calls for every lookup; everything else goes to the frozen weights.
  Tensor embed(int table, const Tensor& ids) const {
    const Tensor rows = gate().embed(table, ids);
    return table == 0 ? rows + tracked(groups_[0].value, groups_[0].grad, anchor()) : rows;
  }

  // What the Trainer calls.
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish() {}  // value and master are one tensor
  std::vector<NamedTensor> weights() const { return {{"steering", groups_[0].master}}; }
  std::vector<NamedTensor> gradients() const { return {{"steering", groups_[0].grad}}; }

 private:
  std::vector<ParameterGroup> groups_;
};

struct Steering {
  SteeringState attach(const auto& model) const { return SteeringState(model); }
};
// [/snippet]

// [snippet: optimizer]
/// Gradient descent: no moments, so nothing to save in a checkpoint.
struct Sgd {
  struct State {
    void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor) {
      for (ParameterGroup& group : groups) {
        group.master.sub_(group.grad, learning_rate * grad_factor);
      }
    }
    std::vector<NamedTensor> tensors() const { return {}; }
  };
  State attach(const std::vector<ParameterGroup>&) const { return {}; }
};
// [/snippet]

// [snippet: callback]
/// Keeps the loss of every step. The trainer keeps a copy, so results go through a reference.
struct LossCurve {
  std::vector<double>& losses;
  void on(const event::AfterStep& event) { losses.push_back(event.metrics.loss); }
};
// [/snippet]

// [snippet: request]
/// Ends the run at the first step whose loss is low enough, and has every tenth step saved.
struct UntilLoss {
  double enough;
  event::Request on(const event::AfterStep& event) const {
    return {.save = event.metrics.step % 10 == 0, .stop = event.metrics.loss < enough};
  }
};
// [/snippet]

namespace {

Options quick(double learning_rate) {
  Options options;
  options.effective_batch_size = 16;
  options.max_steps = 30;
  options.learning_rate = learning_rate;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  options.progress = false;
  return options;
}

}  // namespace

TEST_CASE("a model of one's own trains with a callback watching", "[trainer]") {
  const test::TempFolder folder;
  const std::string path = test::write_successors(folder);
  Trainer trainer(Bigram{}, NextToken{}, Full{}, Tokenized{.path = path}, AdamW{}, quick(0.05));
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  trainer.train();
  CHECK(losses.size() == 30);
  CHECK(losses.front() == Approx(std::log(50.0)).epsilon(0.02));
  CHECK(losses.back() < 0.1 * losses.front());
}

TEST_CASE("a callback of one's own ends a run and has it saved", "[trainer][events]") {
  const test::TempFolder folder;
  const std::string path = test::write_successors(folder);
  Options options = quick(0.05);
  options.run_dir = (folder / "run").string();
  options.keep_checkpoints = 9;
  Trainer trainer(Bigram{}, NextToken{}, Full{}, Tokenized{.path = path}, AdamW{}, options);
  trainer.add(UntilLoss{1.0});
  const TrainResult result = trainer.train();
  CHECK(result.stopped_early);
  CHECK(result.loss < 1.0);
  CHECK(result.steps > 10);
  CHECK(result.steps < 30);
  CHECK(std::filesystem::exists(folder / "run/checkpoints/step-00000010"));
}

TEST_CASE("an optimizer of one's own lowers the loss", "[trainer]") {
  const test::TempFolder folder;
  const std::string path = test::write_successors(folder);
  Trainer trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, Tokenized{.path = path}, Sgd{},
                  quick(0.3));
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  trainer.train();
  CHECK(losses.back() < 0.9 * losses.front());
}

TEST_CASE("a parameter policy of one's own trains its vector and nothing else", "[trainer]") {
  const test::TempFolder folder;
  const std::string path = test::write_successors(folder);
  const auto model = test::tiny_model(at::kFloat);
  const FrozenState before = Frozen{}.attach(model);
  Trainer trainer(model, NextToken{}, Steering{}, Tokenized{.path = path}, AdamW{}, quick(0.01));
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  trainer.train();
  CHECK(losses.back() < losses.front());
  CHECK(trainer.state().weights().size() == 1);
  CHECK(trainer.state().weights()[0].value.abs().max().item<double>() > 0.0);
  const Tensor rows = at::ones({4, 16}).to(model.device());
  CHECK(at::equal(model.logits(trainer.state(), rows), model.logits(before, rows)));
}

// [snippet: batch]
/// A prompt that is read once and two continuations, each of which sees the prompt and itself.
TokenBatch prompt_with_two_answers() {
  const TokenIds prompt{11, 12, 13}, first{21, 22}, second{31};
  BatchBuilder builder;
  const int root = builder.add(prompt);
  builder.add(first, root);
  builder.score(std::vector<float>{1.0F, 1.0F});
  builder.end_sequence();
  builder.add(second, root);
  builder.score(std::vector<float>{1.0F});
  builder.end_sequence();
  return std::move(builder).build();
}
// [/snippet]

TEST_CASE("continuations of a prompt are predicted from its last row", "[batch]") {
  const TokenBatch batch = prompt_with_two_answers();
  CHECK(batch.tokens() == 6);
  CHECK(at::equal(batch.row, at::tensor(std::vector<std::int64_t>{2, 3, 2}, at::kLong)));
  CHECK(at::equal(batch.target, at::tensor(std::vector<std::int64_t>{21, 22, 31}, at::kLong)));
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 2, 3});
}
