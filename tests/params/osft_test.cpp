// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft.hpp"

#include <map>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/from_state.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/loss_curve.hpp"
#include "support/named_tensors.hpp"
#include "support/osft.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"
#include "support/token_file.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using namespace osft_test;
using test::LossCurve;
using test::named;
using test::small_run;
using test::TempFolder;
using test::write_successors;

TEST_CASE("the first step starts from the base, bit for bit", "[params][osft]") {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const auto model = test::tiny_model(type);
    const FullState full = Full{}.attach(model);
    const OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5}.attach(model);
    const TokenBatch batch =
        test::batch_of({test::some_sequence(17, 1), test::some_sequence(9, 2)});
    at::NoGradGuard no_grad;
    const Tensor expected = model.hidden(full, batch);
    CHECK(at::equal(model.hidden(state, batch), expected));
    CHECK(at::equal(model.hidden(state.reference(), batch), expected));
    const auto weights = state.weights(), base = full.weights();
    REQUIRE(weights.size() == base.size());
    for (std::size_t i = 0; i < base.size(); ++i) {
      CHECK(weights[i].name == base[i].name);
      CHECK(weights[i].value.sizes() == base[i].value.sizes());
      // Full's masters of a bf16 model are wider than what it computes with.
      CHECK(at::equal(weights[i].value.to(type), base[i].value.to(type)));
    }
  }
}

TEST_CASE("gradients of cores agree with finite differences through a decoder", "[params][osft]") {
  const models::Decoder model = test::tiny_model();
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1), test::some_sequence(30, 2)});
  const NextToken loss;
  const auto check = [&](auto state) {
    move_cores(state);
    const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
    const auto value = [&] {
      at::NoGradGuard no_grad;
      const Scores scores =
          score_predictions(logits, model.hidden(state, batch), batch, loss.needs(), 7);
      return loss.sum(scores, batch).template item<double>();
    };
    for (const bool checkpointing : {false, true}) {
      for (ParameterGroup& group : state.trainable()) group.grad.zero_();
      const double sum =
          backward_through_head(
              logits, model.hidden(state, batch, {.gradient_checkpointing = checkpointing}), batch,
              loss, loss.needs(), 1.0, 5)
              .item()
              .toDouble();
      CHECK(sum == Approx(value()).epsilon(1e-12));
      for (ParameterGroup& group : state.trainable()) {
        for (std::int64_t i = 0; i < group.master.numel(); i += 37) {
          const double original = test::number_at(group.master, i), h = 1e-5;
          const auto moved = [&](double to) {
            test::set_number(group.master, i, to);
            state.publish();
            return value();
          };
          const double slope = (moved(original + h) - moved(original - h)) / (2 * h);
          moved(original);
          CHECK(test::number_at(group.grad, i) == Approx(slope).epsilon(1e-5).margin(1e-7));
        }
      }
    }
  };
  check(Osft{.unfreeze_rank_ratio = 0.5}.attach(model));
  check(Osft{.unfreeze_rank_ratio = 0.3, .ratio_pattern = "down_proj=0.8", .train = "norm, bias"}
            .attach(model));
  check(BasicOsft<Kept>{.unfreeze_rank_ratio = 0.5}.attach(model));
}

TEST_CASE("400 steps of AdamW with decay and clipping stay in the complements",
          "[params][osft][long]") {
  const TempFolder folder;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const auto model = test::tiny_model(type);
    std::map<std::string, Tensor> base;
    for (const NamedTensor& weight : Osft{}.attach(model).weights()) {
      base[weight.name] = weight.value.to(at::kDouble);
    }
    Trainer trainer(model, NextToken{}, Osft{.unfreeze_rank_ratio = 0.5},
                    Tokenized{.path = write_successors(folder)}, AdamW{.weight_decay = 0.1},
                    small_run(400, 4));
    std::vector<double> losses;
    trainer.add(LossCurve{losses});
    trainer.train();
    CHECK(losses.back() < 0.5 * losses.front());
    const auto after = trainer.state().weights();
    double worst = 0.0, worst_of_weights = 0.0;
    for (const OsftTarget* target : trainer.state().targets()) {
      const std::string name = target->name + ".weight";
      const Directions protect = leading(base.at(name), target->rank());
      worst = std::max(worst, leak(to_eigen(trainer.state().update(*target)), protect));
      const Tensor change = named(after, name).to(at::kDouble) - base.at(name);
      CHECK(change.norm().item<double>() > 0.1 * base.at(name).norm().item<double>());
      worst_of_weights = std::max(worst_of_weights, leak(to_eigen(change), protect));
    }
    INFO(c10::toString(type) << ": " << worst << ", of the weights as saved " << worst_of_weights);
    CHECK(worst <= 1e-6);
    CHECK(worst_of_weights <= 1e-6);
    // What is not named trains nothing.
    for (const NamedTensor& weight : after) {
      if (weight.name.find("proj.weight") != std::string::npos) continue;
      CHECK(at::equal(weight.value.to(at::kDouble), base.at(weight.name)));
    }
    // The reference is the base still.
    at::NoGradGuard no_grad;
    const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
    const FullState full = Full{}.attach(model);
    CHECK(at::equal(model.hidden(trainer.state().reference(), batch), model.hidden(full, batch)));
  }
}

TEST_CASE("a ratio of 0 trains nothing, a ratio of 1 everything in the targets", "[params][osft]") {
  const OsftModel model;
  const OsftState<Dense> none = Osft{.unfreeze_rank_ratio = 0.0}.attach(model);
  CHECK(none.trainable().empty());
  CHECK(none.targets().empty());
  const OsftState<Dense> all = Osft{.unfreeze_rank_ratio = 1.0}.attach(model);
  for (const OsftTarget* target : all.targets()) {
    CHECK(target->rank() == 0);
    CHECK(target->cores[0].values.master.sizes() == at::IntArrayRef({target->rows, target->in}));
  }
  // The rule is exact: 0.2 of 5 is 1.
  struct Narrow : OsftModel {
    Layout layout() const {
      Layout all;
      all.sites = {{{{"a", 5, false}}, 10, false}};
      return all;
    }
  };
  for (int part = 0; part <= 5; ++part) {
    const OsftState<Dense> state = Osft{.unfreeze_rank_ratio = part / 5.0}.attach(Narrow{});
    REQUIRE(state.targets().size() == (part > 0 ? 1U : 0U));
    if (part > 0) CHECK(state.targets()[0]->rank() == 5 - part);
  }
  const TempFolder folder;
  const auto decoder = test::tiny_model(at::kFloat);
  Trainer trainer(decoder, NextToken{}, Osft{.unfreeze_rank_ratio = 0.0},
                  Tokenized{.path = write_successors(folder)}, AdamW{.weight_decay = 0.1},
                  small_run(3, 4));
  trainer.train();
  const auto before = Full{}.attach(decoder).weights();
  for (const NamedTensor& weight : trainer.state().weights()) {
    CHECK(at::equal(weight.value, named(before, weight.name)));
  }
}

TEST_CASE("targets, ratios and what trains as a whole go by pattern", "[params][osft]") {
  const OsftModel model{.tied = false};
  const auto names = [](const OsftState<Dense>& state) {
    std::vector<std::string> all;
    for (const NamedTensor& gradient : state.gradients()) all.push_back(gradient.name);
    return all;
  };
  CHECK(names(Osft{.target_patterns = "k", .projection = OsftProjection::joint}.attach(model)) ==
        std::vector<std::string>{"k.core", "k.cross"});
  using Names = std::vector<std::string>;
  // One part of a fused site; the others stay what they are.
  OsftState<Dense> k = Osft{.unfreeze_rank_ratio = 0.5, .target_patterns = "k"}.attach(model);
  CHECK(names(k) == Names{"k.core"});
  const auto before = k.weights();
  const Tensor q = named(before, "q.weight").clone(), old_k = named(before, "k.weight").clone();
  move_cores(k);
  CHECK(at::equal(named(k.weights(), "q.weight"), q));
  CHECK_FALSE(at::equal(named(k.weights(), "k.weight"), old_k));
  // `train` goes before targets.
  OsftState<Dense> some = Osft{.target_patterns = "q, k, down, lm_head",
                               .ratio_pattern = "down=0.5, q=0",
                               .train = "k.bias, norm, down, embed"}
                              .attach(model);
  CHECK(names(some) ==
        Names{"embed.weight", "k.bias", "down.weight", "norm.weight", "k.core", "lm_head.core"});
  CHECK(some.targets()[0]->rank() == 3);
  for (ParameterGroup& group : some.trainable()) group.master.add_(0.5);
  some.publish();
  CHECK(named(some.weights(), "norm.weight")[0].item<double>() == Approx(1.6));
  // The reference has none of it.
  const FullState base = Full{}.attach(model);
  const Tensor x = normal({3, 8}, 1), ids = at::tensor({1, 5, 2}, at::kLong);
  for (const int site : {0, 1, 3}) {
    CHECK(relative_error(some.reference().linear(site, x).detach(), base.linear(site, x).detach()) <
          1e-15);
  }
  const Tensor middle = normal({3, 20}, 1);
  CHECK(at::equal(some.reference().linear(2, middle), base.linear(2, middle).detach()));
  CHECK(at::equal(some.reference().embed(0, ids), base.embed(0, ids).detach()));
  CHECK(at::equal(some.reference().vector(0), base.vector(0).detach()));

  CHECK_THROWS_WITH(Osft{.target_patterns = "w_q"}.attach(model),
                    "Osft.target_patterns \"w_q\" selects nothing of the model; hint: \"q\" would");
  CHECK_THROWS_WITH(Osft{.ratio_pattern = "up=0.5"}.attach(model),
                    Catch::Contains("Osft.ratio_pattern \"up\" selects nothing of the targets"));
  CHECK_THROWS_WITH(Osft{.train = "nrom"}.attach(model),
                    "Osft.train \"nrom\" selects nothing of the model; hint: \"norm\" would");
  CHECK_THROWS_WITH(Osft{.target_patterns = "q, kk, v"}.attach(model),
                    Catch::Contains("Osft.target_patterns \"kk\" selects nothing"));
  CHECK_THROWS_WITH(Osft{.ratio_pattern = "q=1.5"}.attach(model),
                    Catch::Contains("a ratio in [0, 1]"));
  CHECK_THROWS_WITH(Osft{.unfreeze_rank_ratio = -0.1}.attach(model),
                    Catch::Contains("must be in [0, 1]"));
  CHECK_THROWS_WITH(Osft{.target_patterns = "lm_head"}.attach(OsftModel{}),
                    Catch::Contains("shares the embedding's storage"));
}

TEST_CASE("a second Trainer goes on with the state of the first", "[params][osft]") {
  const TempFolder folder;
  const auto model = test::tiny_model(at::kFloat);
  const Tokenized data{.path = write_successors(folder)};
  Options options = small_run(40, 4), next = options;
  next.run_dir = (folder / "second").string();
  // [snippet: tasks]
  Trainer first(model, NextToken{}, Osft{.unfreeze_rank_ratio = 0.5}, data, AdamW{}, options);
  first.train();
  OsftState<Dense> state = std::move(first.state());
  state.begin_task("second", {.unfreeze_rank_ratio = 0.25});
  Trainer second(model, NextToken{}, FromState(std::move(state)), data, AdamW{}, next);
  // [/snippet]
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
  const auto hidden = [&](const auto& gate) {
    at::NoGradGuard no_grad;
    return model.hidden(gate, batch);
  };
  const Tensor between = hidden(second.state());
  std::vector<double> losses;
  second.add(LossCurve{losses});
  CHECK(second.train().steps == 40);
  const auto epoch = [&](std::size_t step) {
    return losses[step] + losses[step + 1] + losses[step + 2] + losses[step + 3];
  };
  CHECK(epoch(36) < epoch(0));
  CHECK(at::equal(hidden(second.state().reference()), between));
  CHECK_FALSE(at::equal(hidden(second.state()), between));
  CHECK(second.state().tasks().size() == 1);
}

TEST_CASE("a resumed run of cores equals the uninterrupted one bit for bit", "[params][osft]") {
  const TempFolder folder;
  const std::string path = write_successors(folder);
  const auto run = [&](std::int64_t steps, const std::string& name) {
    Options options = small_run(steps, 4);
    options.lr_scheduler = {.type = optim::LrScheduler::constant};
    options.run_dir = (folder / name).string();
    options.checkpoint_steps = 5;
    Trainer trainer(test::tiny_model(at::kFloat), NextToken{}, Osft{.train = "norm"},
                    Tokenized{.path = path}, AdamW{.weight_decay = 0.1}, options);
    trainer.train();
    Tensors all;
    for (const NamedTensor& weight : trainer.state().weights()) {
      all.push_back(weight.value.reshape({-1}).clone());
    }
    return at::cat(all);
  };
  const Tensor whole = run(10, "whole");
  run(5, "halves");
  CHECK(at::equal(run(10, "halves"), whole));
}

TEST_CASE("a checkpoint brings its bases to a machine that would find others", "[params][osft]") {
  const TempFolder folder;
  const std::string path = write_successors(folder), other = (folder / "other").string();
  const auto run = [&](std::int64_t steps, const std::string& name, const std::string& cache,
                       OsftProjection projection) {
    Options options = small_run(steps, 4);
    options.lr_scheduler = {.type = optim::LrScheduler::constant};
    options.run_dir = (folder / (name + std::string(enum_name(projection)))).string();
    options.checkpoint_steps = 5;
    Trainer trainer(test::tiny_model(at::kFloat), NextToken{},
                    Osft{.projection = projection, .cache_dir = cache}, Tokenized{.path = path},
                    AdamW{.weight_decay = 0.1}, options);
    trainer.train();
    Tensors all;
    for (const NamedTensor& weight : trainer.state().weights()) {
      all.push_back(weight.value.reshape({-1}).clone());
    }
    return at::cat(all);
  };
  // The other machine: it finds other bases of the same subspaces.
  Osft{.cache_dir = other}.attach(test::tiny_model(at::kFloat));
  for (const auto& entry : io::fs::directory_iterator(other)) {
    std::vector<std::pair<std::string, Tensor>> turned;
    const io::fs::path file = entry.path() / "complements.safetensors";
    for (auto& [name, tensor] : io::load_tensors(file)) {
      REQUIRE(name.ends_with(".basis"));
      const std::int64_t size = tensor.size(1);
      const Tensor turn = std::get<0>(at::linalg_qr(normal({size, size}, 3)));
      turned.emplace_back(name, tensor.to(at::kDouble).matmul(turn).to(tensor.scalar_type()));
    }
    io::save_tensors(file, turned);
  }
  for (const OsftProjection projection : kProjections) {
    const Tensor whole = run(10, "whole", "", projection);
    run(5, "halves", "", projection);
    CHECK_FALSE(at::equal(run(10, "elsewhere", other, projection), whole));
    CHECK(at::equal(run(10, "halves", other, projection), whole));
  }
}

TEST_CASE("cores train beside matrices in 4 bits", "[params][osft]") {
  const TempFolder folder;
  const auto model = test::tiny_model(at::kFloat);
  Trainer trainer(model, NextToken{}, BasicOsft<Nf4>{.unfreeze_rank_ratio = 0.5},
                  Tokenized{.path = write_successors(folder)}, AdamW{}, small_run(100, 4));
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
  const auto base = BasicFrozen<Nf4>{}.attach(model);
  const auto hidden = [&](const auto& gate) {
    at::NoGradGuard no_grad;
    return model.hidden(gate, batch);
  };
  CHECK(at::equal(hidden(trainer.state()), hidden(base)));
  std::vector<double> losses;
  trainer.add(LossCurve{losses});
  trainer.train();
  CHECK(losses.back() < 0.7 * losses.front());
  CHECK(at::equal(hidden(trainer.state().reference()), hidden(base)));
  for (const OsftTarget* target : trainer.state().targets()) {
    const Tensor saved = named(trainer.state().weights(), target->name + ".weight");
    const Tensor before = named(base.weights(), target->name + ".weight");
    CHECK(relative_error(saved - before, trainer.state().update(*target)) < 1e-5);
  }
  // The next task stands on what this one learnt, and keeps the codes.
  const Tensor learnt = hidden(trainer.state());
  OsftState<Nf4> state = std::move(trainer.state());
  const std::int64_t bytes = state.bytes();
  state.begin_task("second", {.unfreeze_rank_ratio = 0.25});
  CHECK(relative_error(hidden(state), learnt) < 1e-5);
  CHECK(at::equal(hidden(state), hidden(state.reference())));
  CHECK(state.bytes() < bytes + base.bytes());
  Trainer second(model, NextToken{}, FromState(std::move(state)),
                 Tokenized{.path = write_successors(folder)}, AdamW{}, small_run(20, 4));
  second.train();
  CHECK(relative_error(hidden(second.state().reference()), learnt) < 1e-5);
  CHECK_FALSE(at::equal(hidden(second.state()), hidden(second.state().reference())));
}
