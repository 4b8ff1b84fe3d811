// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/torch_module.hpp"

#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/generate/rereader.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using models::TorchModule;
using models::TrainModule;
using posttrain::test::TempFolder;

namespace {

constexpr std::int64_t kVocabulary = 20;

/// A transformer as a user would write it: knows nothing of this library.
struct TinyTransformer : torch::nn::Module {
  explicit TinyTransformer(double dropout_rate = 0.0, bool cap = false,
                           std::int64_t vocabulary = kVocabulary)
      : cap(cap) {
    tokens = register_module("tokens", torch::nn::Embedding(vocabulary, 16));
    places = register_module("places", torch::nn::Embedding(32, 16));
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({16})));
    qkv = register_module("qkv", torch::nn::Linear(16, 48));
    out = register_module("out", torch::nn::Linear(16, 16));
    up = register_module("up", torch::nn::Linear(16, 32));
    down = register_module("down", torch::nn::Linear(32, 16));
    dropout = register_module("dropout", torch::nn::Dropout(dropout_rate));
    head = register_module("head", torch::nn::Linear(16, vocabulary));
  }
  torch::Tensor hidden(const torch::Tensor& ids, const torch::Tensor& positions,
                       const torch::Tensor& mask) {
    torch::Tensor x = dropout(tokens(ids) + places(positions));
    const std::vector<torch::Tensor> parts = qkv(norm(x)).split(16, 1);
    torch::Tensor scores = parts[0].matmul(parts[1].t()) * 0.25;
    scores = scores.masked_fill(mask.logical_not(), -1e30);
    x = x + out(torch::softmax(scores, 1).matmul(parts[2]));
    return x + down(torch::relu(up(x)));
  }
  torch::Tensor logits(const torch::Tensor& rows) {
    const torch::Tensor z = head(rows);
    return cap ? torch::tanh(z) : z;  // tanh keeps its own result for the backward pass
  }
  bool cap;
  torch::nn::Embedding tokens{nullptr}, places{nullptr};
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::Linear qkv{nullptr}, out{nullptr}, up{nullptr}, down{nullptr}, head{nullptr};
  torch::nn::Dropout dropout{nullptr};
};

/// Its head is its embedding table, registered twice.
struct TiedBag : torch::nn::Module {
  TiedBag() {
    table = register_parameter("table", torch::randn({kVocabulary, 8}));
    same = register_parameter("zz_head", table);
    frozen = register_parameter("frozen", torch::ones({8}), /*requires_grad=*/false);
  }
  torch::Tensor hidden(const torch::Tensor& ids, const torch::Tensor&, const torch::Tensor& mask) {
    const torch::Tensor weight = mask.to(torch::kFloat);
    return (weight / weight.sum(1, true)).matmul(table.index_select(0, ids)) * frozen;
  }
  torch::Tensor logits(const torch::Tensor& rows) { return rows.matmul(table.t()); }
  torch::Tensor table, same, frozen;
};

struct WrongShapes : torch::nn::Module {
  WrongShapes() { scale = register_parameter("scale", torch::ones({1})); }
  torch::Tensor hidden(const torch::Tensor& ids, const torch::Tensor&, const torch::Tensor&) {
    return ids.to(torch::kFloat) * scale;
  }
  torch::Tensor logits(const torch::Tensor& rows) { return rows * scale; }
  torch::Tensor scale;
};

template <class Module, class... Args>
std::shared_ptr<Module> seeded(Args... args) {
  torch::manual_seed(3);
  return std::make_shared<Module>(args...);
}

/// A prompt with two continuations, the first with one of its own, and a sequence beside them.
TokenBatch forest() {
  BatchBuilder builder;
  const auto scored = [&](TokenIds ids, int parent) {
    const int node = builder.add(ids, parent, 0);
    builder.score(std::vector<float>(ids.size(), 1.0F));
    return node;
  };
  const int prompt = scored({1, 2, 3}, -1);
  const int first = scored({4, 5}, prompt);
  scored({6}, first);
  scored({7, 8}, prompt);
  scored({9, 10, 11, 12}, -1);
  builder.end_sequence(0);
  return std::move(builder).build();
}

TokenBatch sequence(const TokenIds& ids) {
  BatchBuilder builder;
  builder.add(ids, -1, 0);
  builder.score(std::vector<float>(ids.size(), 1.0F));
  builder.end_sequence(0);
  return std::move(builder).build();
}

std::string write_samples(const TempFolder& folder) {
  std::string lines;
  for (int i = 0; i < 6; ++i) {
    nlohmann::json ids = nlohmann::json::array();
    for (int t = 0; t < 5 + i; ++t) ids.push_back((7 * i + 3 * t * (i + 1)) % kVocabulary);
    lines += nlohmann::json{{"input_ids", ids}}.dump() + "\n";
  }
  return folder.write("tokens.jsonl", lines);
}

Options quiet() {
  Options options;
  options.effective_batch_size = 3;
  options.max_tokens_per_batch = 16;
  options.learning_rate = 2e-2;
  options.num_epochs = 60;
  options.progress = false;
  return options;
}

template <class Model, class State>
double add_gradients(const Model& model, const State& state, const TokenBatch& batch,
                     std::int64_t chunk = 4) {
  const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
  const NextToken loss;
  return backward_through_head(logits, model.hidden(state, batch), batch, loss, loss.needs(), 1.0,
                               chunk)
      .item()
      .toDouble();
}

/// The loss by torch alone: one whole sequence after another, ordinary causal masks.
Tensor plain_loss(TinyTransformer& module, const std::vector<TokenIds>& sequences,
                  const std::vector<std::int64_t>& first_scored) {
  Tensor loss = torch::zeros({}, torch::kDouble);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const auto length = static_cast<std::int64_t>(sequences[s].size());
    const std::vector<std::int64_t> wide(sequences[s].begin(), sequences[s].end());
    const Tensor ids = torch::tensor(wide, torch::kLong);
    const Tensor mask = torch::ones({length, length}, torch::kBool).tril();
    const Tensor z = module.logits(module.hidden(ids, torch::arange(length), mask));
    const std::int64_t from = first_scored[s];
    const Tensor logp = torch::log_softmax(z.slice(0, from - 1, length - 1), 1);
    loss = loss - logp.gather(1, ids.slice(0, from).unsqueeze(1)).sum();
  }
  return loss;
}

struct Losses {
  std::vector<double>* values;
  void on(const event::AfterStep& event) { values->push_back(event.metrics.loss); }
};

}  // namespace

TEST_CASE("the dense mask shows each row its own past and its ancestors", "[torch_module]") {
  const TokenBatch batch = forest();
  const Tensor mask = models::dense_mask(batch.nodes);
  REQUIRE(mask.sizes().vec() == std::vector<std::int64_t>{12, 12});
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    for (std::size_t m = 0; m < batch.nodes.size(); ++m) {
      const Segment& query = batch.nodes[n];
      const Segment& key = batch.nodes[m];
      const bool ancestor = m != n && key.begin <= query.begin && query.begin < key.subtree_end;
      for (std::int64_t i = query.begin; i < query.end; ++i) {
        for (std::int64_t j = key.begin; j < key.end; ++j) {
          CHECK(mask[i][j].item<bool>() == (ancestor || (n == m && j <= i)));
        }
      }
    }
  }
}

TEST_CASE("a forest gives the hidden rows of its separate sequences", "[torch_module][C14]") {
  const auto module = seeded<TinyTransformer>();
  module->to(torch::kDouble);
  const TorchModule model(module, kVocabulary);
  const auto state = TrainModule{}.attach(model);
  at::NoGradGuard no_grad;
  const Tensor all = model.hidden(state, forest());
  const Tensor left = model.hidden(state, sequence({1, 2, 3, 4, 5, 6}));
  const Tensor right = model.hidden(state, sequence({1, 2, 3, 7, 8}));
  const Tensor beside = model.hidden(state, sequence({9, 10, 11, 12}));
  CHECK(at::allclose(all.slice(0, 0, 6), left, 0.0, 1e-12));
  CHECK(at::allclose(all.slice(0, 6, 8), right.slice(0, 3), 0.0, 1e-12));
  CHECK(at::allclose(all.slice(0, 8), beside, 0.0, 1e-12));
}

TEST_CASE("a module's gradients are those of torch, under its own names", "[torch_module]") {
  for (const bool cap : {false, true}) {
    const auto module = seeded<TinyTransformer>(0.0, cap);
    module->to(torch::kDouble);
    // Prompt 1 2 3 with continuations 4 5 6 and 7 8; the prompt's own tokens are scored once.
    const Tensor loss =
        plain_loss(*module, {{1, 2, 3, 4, 5, 6}, {1, 2, 3, 7, 8}, {9, 10, 11, 12}}, {1, 3, 1});
    loss.backward();
    std::map<std::string, Tensor> expected;
    for (const auto& item : module->named_parameters()) {
      expected[item.key()] = item.value().grad().clone();
    }

    const TorchModule model(module, kVocabulary);
    auto state = TrainModule{}.attach(model);
    for (const ParameterGroup& group : state.trainable()) {
      CHECK(group.grad.abs().sum().item<double>() == 0.0);  // what was there is not trained on
    }
    CHECK(add_gradients(model, state, forest()) == Approx(loss.item<double>()).epsilon(1e-12));
    const std::vector<NamedTensor> gradients = state.gradients();
    REQUIRE(gradients.size() == expected.size());
    for (const NamedTensor& gradient : gradients) {
      INFO(gradient.name);
      REQUIRE(expected.contains(gradient.name));
      CHECK(at::allclose(gradient.value, expected[gradient.name], 1e-10, 1e-12));
    }
    // A second pass adds to the same buffers.
    add_gradients(model, state, forest(), 100);
    CHECK(at::allclose(state.gradients()[0].value, expected[gradients[0].name] * 2, 1e-10, 1e-12));
  }
}

TEST_CASE("a module's parameters become views of two flat buffers", "[torch_module]") {
  const auto module = seeded<TinyTransformer>();
  const Tensor before = module->qkv->weight.detach().clone();
  const TorchModule model(module, kVocabulary);
  auto state = TrainModule{}.attach(model);
  REQUIRE(state.trainable().size() == 2);
  CHECK(state.trainable()[0].decay);
  CHECK_FALSE(state.trainable()[1].decay);
  CHECK(at::equal(module->qkv->weight, before));
  CHECK(module->qkv->weight.requires_grad());
  CHECK(module->qkv->weight.storage().is_alias_of(state.trainable()[0].master.storage()));
  CHECK(module->norm->weight.storage().is_alias_of(state.trainable()[1].master.storage()));
  CHECK(module->norm->weight.grad().storage().is_alias_of(state.trainable()[1].grad.storage()));
  add_gradients(model, state, forest());
  CHECK(module->norm->weight.grad().storage().is_alias_of(state.trainable()[1].grad.storage()));
  {
    at::NoGradGuard no_grad;
    state.trainable()[0].master.fill_(0.25);
  }
  CHECK(module->qkv->weight.eq(0.25).all().item<bool>());
  CHECK(state.weights().size() == module->named_parameters().size());
}

TEST_CASE("a tensor under two names is one parameter, a frozen one is kept", "[torch_module]") {
  const auto module = seeded<TiedBag>();
  const TorchModule model(module, kVocabulary);
  auto state = TrainModule{}.attach(model);
  const auto names = [](const std::vector<NamedTensor>& tensors) {
    std::vector<std::string> all;
    for (const NamedTensor& tensor : tensors) all.push_back(tensor.name);
    return all;
  };
  CHECK(names(state.weights()) == std::vector<std::string>{"table", "frozen"});
  CHECK(names(state.gradients()) == std::vector<std::string>{"table"});
  CHECK(state.trainable()[1].master.numel() == 0);
  CHECK(module->same.storage().is_alias_of(state.trainable()[0].master.storage()));
  CHECK_FALSE(module->frozen.grad().defined());
}

TEST_CASE("a user's transformer learns a few sequences through the Trainer", "[torch_module]") {
  const TempFolder folder;
  const auto module = seeded<TinyTransformer>(0.1);
  Trainer trainer(TorchModule(module, kVocabulary), NextToken{}, TrainModule{},
                  Tokenized{.path = write_samples(folder)}, AdamW{.weight_decay = 0.01}, quiet());
  std::vector<double> losses;
  trainer.add(Losses{&losses});
  const TrainResult result = trainer.train();
  CHECK(result.steps == 120);
  CHECK(losses.back() < 0.2 * losses.front());
  // Dropout is off in evaluation, so two evaluations agree.
  const std::vector<TokenBatch> batches{sequence({0, 3, 6, 9, 12})};
  CHECK(trainer.evaluate(batches) == trainer.evaluate(batches));
  CHECK(trainer.evaluate(batches) < 0.2 * losses.front());
  CHECK_FALSE(module->is_training());
}

TEST_CASE("a bag of tokens with a tied head learns too", "[torch_module]") {
  const TempFolder folder;
  Trainer trainer(TorchModule(seeded<TiedBag>(), kVocabulary), NextToken{}, TrainModule{},
                  Tokenized{.path = write_samples(folder)}, AdamW{}, quiet());
  std::vector<double> losses;
  trainer.add(Losses{&losses});
  trainer.train();
  CHECK(losses.back() < 0.6 * losses.front());
}

TEST_CASE("a run of a module goes on from its checkpoint", "[torch_module][C25]") {
  const TempFolder folder;
  const std::string path = write_samples(folder);
  const auto run = [&](const std::shared_ptr<TinyTransformer>& module, const std::string& run_dir,
                       int stop) {
    Options options = quiet();
    options.num_epochs = 3;
    options.run_dir = run_dir;
    Trainer trainer(TorchModule(module, kVocabulary), NextToken{}, TrainModule{},
                    Tokenized{.path = path}, AdamW{}, options);
    struct Stop {
      int step;
      void on(const event::AfterStep& event) {
        if (event.metrics.step == step) std::raise(SIGTERM);
      }
    };
    trainer.add(Stop{stop});
    return trainer.train().interrupted;
  };
  const auto whole = seeded<TinyTransformer>();
  CHECK_FALSE(run(whole, "", -1));
  CHECK(run(seeded<TinyTransformer>(), (folder / "run").string(), 3));
  const auto resumed = std::make_shared<TinyTransformer>();  // other random weights
  CHECK_FALSE(run(resumed, (folder / "run").string(), -1));
  for (const auto& item : whole->named_parameters()) {
    INFO(item.key());
    CHECK(at::equal(item.value(), resumed->named_parameters()[item.key()]));
  }
}

TEST_CASE("a module answers prompts and learns from their rewards", "[torch_module][grpo]") {
  const TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(4));
  const auto letters = std::make_shared<const text::ChatTokenizer>(test::tiny_tokenizer_files());
  const auto run = [&](const Options& options, std::vector<double>& rewards) {
    const auto module = seeded<TinyTransformer>(0.0, false, letters->tokenizer().vocab_size());
    // [snippet: rollouts]
    Trainer trainer(TorchModule(module, letters->tokenizer().vocab_size(), letters), Grpo{},
                    TrainModule{}, test::short_rollouts(path), AdamW{}, options);
    // [/snippet]
    struct Rewards {
      std::vector<double>* values;
      void on(const event::AfterStep& event) {
        values->push_back(test::metric(event.metrics, "reward"));
      }
      void on(const event::RolloutEnd& event) {
        for (const RolloutGroup& group : event.rollout->groups) CHECK(group.samples.size() == 4);
      }
    };
    trainer.add(Rewards{&rewards});
    trainer.train();
    CHECK(trainer.state().weights_version() >= 1);
    return module;
  };
  Options options = quiet();
  options.effective_batch_size = 16;
  options.max_tokens_per_batch = 40;  // fewer than what is in work: several passes for a token
  options.max_steps = 25;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  std::vector<double> rewards;
  run(options, rewards);
  REQUIRE(rewards.size() == 25);
  CHECK(rewards.back() > rewards.front() + 0.3);

  // In the middle of a rollout as anywhere, an interrupted run is the whole one.
  options.max_steps = 3;
  std::vector<double> whole, begun, rest;
  const auto uninterrupted = run(options, whole);
  options.run_dir = (folder / "run").string();
  options.max_steps = 2;
  run(options, begun);
  options.max_steps = 3;
  const auto resumed = run(options, rest);
  CHECK(rest == std::vector{whole.back()});
  for (const auto& item : uninterrupted->named_parameters()) {
    CHECK(at::equal(item.value(), resumed->named_parameters()[item.key()]));
  }
}

TEST_CASE("what a module writes is what it is trained on", "[torch_module][C19]") {
  const auto module = seeded<TinyTransformer>();
  const TorchModule model(module, kVocabulary);
  const auto state = TrainModule{}.attach(model);
  // [snippet: rereader]
  Rereader rereader(model, state, /*ends=*/{2});
  const auto groups = rereader.run({{.prompt = {1, 5, 9}, .sampling = {.max_new_tokens = 8}}});
  // [/snippet]
  const Completion& sample = groups[0][0];
  at::NoGradGuard no_grad;
  TokenIds ids{1, 5, 9};
  ids.insert(ids.end(), sample.ids.begin(), sample.ids.end());
  const TokenBatch batch = sequence(ids);
  const Tensor logps =
      model.logits(state, model.hidden(state, batch)).log_softmax(1).slice(0, 2, -1);
  REQUIRE(std::ssize(sample.logps) == logps.size(0));
  for (std::size_t i = 0; i < sample.logps.size(); ++i) {
    const auto at_row = static_cast<std::int64_t>(i);
    CHECK(sample.logps[i] == Approx(logps[at_row][sample.ids[i]].item<double>()).margin(1e-5));
  }
}

TEST_CASE("what a module cannot do is refused with a reason", "[torch_module]") {
  const TempFolder folder;
  const auto half = seeded<TinyTransformer>();
  half->to(torch::kBFloat16);
  CHECK_THROWS_WITH(TrainModule{}.attach(TorchModule(half, kVocabulary)),
                    Catch::Contains("expected float32 or float64 parameters, got BFloat16 in "));
  const auto mixed = seeded<TinyTransformer>();
  mixed->head->to(torch::kDouble);
  CHECK_THROWS_WITH(TrainModule{}.attach(TorchModule(mixed, kVocabulary)),
                    Catch::Contains("parameters of one type on one device, got head."));
  const auto frozen = seeded<TinyTransformer>();
  for (Tensor parameter : frozen->parameters()) parameter.requires_grad_(false);
  CHECK_THROWS_WITH(TrainModule{}.attach(TorchModule(frozen, kVocabulary)),
                    Catch::Contains("a parameter that requires a gradient"));
  CHECK_THROWS_WITH(TorchModule(std::shared_ptr<TinyTransformer>(), 3),
                    Catch::Contains("expected a module"));

  const TorchModule wrong(seeded<WrongShapes>(), kVocabulary);
  const auto state = TrainModule{}.attach(wrong);
  CHECK_THROWS_WITH(wrong.hidden(state, sequence({1, 2, 3})),
                    Catch::Contains("hidden() of the module to return [3, d], got [3]"));
  CHECK_THROWS_WITH(wrong.logits(state, at::ones({2, 4})),
                    Catch::Contains("logits() of the module to return [2, 20], got [2, 4]"));

  Options options = quiet();
  options.neftune_noise_alpha = 5.0;
  Trainer trainer(TorchModule(seeded<TinyTransformer>(), kVocabulary), NextToken{}, TrainModule{},
                  Tokenized{.path = write_samples(folder)}, AdamW{}, options);
  CHECK_THROWS_WITH(trainer.train(), Catch::Contains("neftune_noise_alpha are for the library's"));

  const std::string prompts = folder.write("prompts.jsonl", test::counting_prompts(4));
  options = quiet();
  options.effective_batch_size = 4;
  CHECK_THROWS_WITH(Trainer(TorchModule(seeded<TinyTransformer>(), kVocabulary), Grpo{},
                            TrainModule{}, test::short_rollouts(prompts), AdamW{}, options),
                    Catch::Contains("need a tokenizer"));
}
