// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/params/from_state.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/osft/files.hpp"
#include "posttrain/params/osft/principal_angles.hpp"
#include "posttrain/params/weights/impl/model_weights.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using namespace osft_test;
using posttrain::test::TempFolder;

namespace {

/// ‖ΔW − (1 − U_h U_hᵀ) ΔW (1 − V_h V_hᵀ)‖ / ‖ΔW‖
double leak(const Matrix& change, const Directions& protect) {
  const Matrix left = change - protect.left * (protect.left.transpose() * change);
  const Matrix both = left - (left * protect.right) * protect.right.transpose();
  return (change - both).norm() / change.norm();
}

constexpr OsftProjection kProjections[] = {OsftProjection::both_sides, OsftProjection::joint,
                                           OsftProjection::input_only};

/// ‖what the projection forbids of ΔW‖ / ‖ΔW‖
double forbidden(OsftProjection projection, const Matrix& change, const Directions& protect) {
  if (projection == OsftProjection::both_sides) return leak(change, protect);
  const Matrix right = change * protect.right;
  if (projection == OsftProjection::input_only) return right.norm() / change.norm();
  return (protect.left.transpose() * right).norm() / change.norm();
}

/// One of everything: a table, a fused site with biases, a transposed part, a long one, a tied
/// head.
struct SmallModel {
  at::ScalarType type = at::kDouble;
  bool tied = true;

  Layout layout() const {
    Layout all;
    all.tables = {{"embed.weight", 6, 8, -1}};
    all.sites = {{{{"q", 8, false}, {"k", 4, false}, {"v", 4, false}}, 8, true},
                 {{{"conv", 20, true}}, 8, true},
                 {{{"down", 8, false}}, 20, false},
                 {{{"lm_head", 6, false}}, 8, false, tied ? 0 : -1, true}};
    all.vectors = {{"norm.weight", 8, 1.0}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    if (!random) return at::full(shape, initial + 0.1, at::kDouble);
    return normal(shape, name.size() * 7 + static_cast<unsigned char>(name[0]));
  }
};

/// Keeps a matrix as it is, but as a stored one.
struct Kept {
  static constexpr bool dense = false;
  struct Matrix {
    Tensor w;
    void write(const Tensor& out) const { Tensor(out).copy_(w); }
    std::int64_t rows() const { return w.size(0); }
    std::int64_t bytes() const { return static_cast<std::int64_t>(w.nbytes()); }
  };
  constexpr void validate() const {}
  Matrix store(const Tensor& w) const { return {w.contiguous()}; }
};

Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

/// Puts random numbers into every core.
template <class State>
void move_cores(State& state, double scale = 0.1) {
  std::uint64_t seed = 500;
  for (ParameterGroup& group : state.trainable()) {
    if (group.name == "cores") group.master.copy_(normal(group.master.sizes(), seed++) * scale);
  }
  state.publish();
}

template <class State>
Tensor forward(const State& state, const Tensor& x) {
  return state.linear(2, state.linear(1, x).mul(state.linear(0, x).narrow(1, 0, 1)));
}

/// Sequences in which every token has one successor.
std::string samples(const TempFolder& folder) {
  const std::string file_path = (folder / "samples.jsonl").string();
  std::ofstream file(file_path);
  for (int i = 0; i < 16; ++i) {
    nlohmann::json ids = nlohmann::json::array();
    for (int t = 0; t < 12; ++t) ids.push_back((7 * i + 3 * t) % 50);
    file << nlohmann::json{{"input_ids", ids}} << "\n";
  }
  return file_path;
}

Options quick(std::int64_t steps) {
  Options options;
  options.effective_batch_size = 4;
  options.max_steps = steps;
  options.learning_rate = 1e-2;
  options.max_grad_norm = 1.0;
  options.progress = false;
  return options;
}

struct Losses {
  std::vector<double>* values;
  void on(const event::AfterStep& event) { values->push_back(event.metrics.loss); }
};

}  // namespace

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

TEST_CASE("the product is that of the weights that are saved", "[params][osft]") {
  const SmallModel model{.tied = false};
  OsftState<Dense> dense = Osft{.unfreeze_rank_ratio = 0.5}.attach(model);
  move_cores(dense);
  const auto weights = dense.weights();
  const Tensor x = normal({3, 8}, 1);
  const Tensor q = x.matmul(named(weights, "q.weight").t()) + named(weights, "q.bias");
  CHECK(relative_error(dense.linear(0, x).detach().narrow(1, 0, 8), q) < 1e-13);
  const Tensor conv = x.matmul(named(weights, "conv.weight")) + named(weights, "conv.bias");
  CHECK(relative_error(dense.linear(1, x).detach(), conv) < 1e-13);
  CHECK(named(weights, "conv.weight").sizes() == at::IntArrayRef({8, 20}));
  // The same on stored matrices, where U C Vᵀ is a product of its own.
  BasicOsft<Kept> policy{.unfreeze_rank_ratio = 0.5};
  OsftState<Kept> stored = policy.attach(model);
  move_cores(stored);
  for (int site : {0, 1, 3}) {
    CHECK(relative_error(stored.linear(site, x).detach(), dense.linear(site, x).detach()) < 1e-13);
  }
  for (const NamedTensor& weight : stored.weights()) {
    CHECK(weight.value.sizes() == named(weights, weight.name).sizes());
    CHECK(relative_error(weight.value, named(weights, weight.name)) < 1e-14);
  }
  CHECK(relative_error(stored.reference().linear(0, x).detach(),
                       Full{}.attach(model).linear(0, x).detach()) < 1e-15);
  CHECK(at::equal(named(weights, "lm_head.weight"),
                  named(Full{}.attach(model).weights(), "lm_head.weight")));
}

TEST_CASE("gradients of cores are the dense ones seen from the complements", "[params][osft]") {
  const SmallModel model;
  FullState full = Full{}.attach(model);
  const auto check = [&](auto state, std::int64_t tokens, double ratio) {
    INFO("ratio " << ratio << ", " << tokens << " tokens");
    for (ParameterGroup& group : full.trainable()) group.grad.zero_();
    const Tensor start = normal({tokens, 8}, 2), weight = normal({tokens, 8}, 3);
    const auto run = [&](const auto& gate) {
      const Tensor x = start.clone().requires_grad_();
      (forward(gate, x) * weight).sum().backward();
      return x.grad();
    };
    CHECK(relative_error(run(state), run(full)) < 1e-13);
    for (const OsftTarget* target : state.targets()) {
      Tensor dense = named(full.gradients(), target->name + ".weight");
      if (target->name == "conv") dense = dense.t();
      for (const OsftCore& core : target->cores) {
        const Tensor expected = basis_of(core.left).t().matmul(dense).matmul(basis_of(core.right));
        CHECK(relative_error(core.values.grad, expected) < 1e-12);
      }
    }
    CHECK(state.targets().size() == 5);
  };
  for (const double ratio : {0.25, 0.5, 0.75, 1.0}) {
    for (const std::int64_t tokens : {3, 200}) {  // either order of the products
      for (const OsftProjection projection : kProjections) {
        check(Osft{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(model), tokens,
              ratio);
        check(BasicOsft<Kept>{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(model),
              tokens, ratio);
      }
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
      const double sum = backward_through_head(
          logits, model.hidden(state, batch, {.gradient_checkpointing = checkpointing}), batch,
          loss, loss.needs(), 1.0, 5);
      CHECK(sum == Approx(value()).epsilon(1e-12));
      for (ParameterGroup& group : state.trainable()) {
        double* values = group.master.template data_ptr<double>();
        const double* gradient = group.grad.template const_data_ptr<double>();
        for (std::int64_t i = 0; i < group.master.numel(); i += 37) {
          const double original = values[i], h = 1e-5;
          const auto moved = [&](double to) {
            values[i] = to;
            state.publish();
            return value();
          };
          const double slope = (moved(original + h) - moved(original - h)) / (2 * h);
          moved(original);
          CHECK(gradient[i] == Approx(slope).epsilon(1e-5).margin(1e-7));
        }
      }
    }
  };
  check(Osft{.unfreeze_rank_ratio = 0.5}.attach(model));
  check(Osft{.unfreeze_rank_ratio = 0.3, .ratio_pattern = "down_proj=0.8", .train = "norm, bias"}
            .attach(model));
  check(BasicOsft<Kept>{.unfreeze_rank_ratio = 0.5}.attach(model));
}

TEST_CASE("400 steps of AdamW with decay and clipping stay in the complements", "[params][osft]") {
  const TempFolder folder;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const auto model = test::tiny_model(type);
    std::map<std::string, Tensor> base;
    for (const NamedTensor& weight : Osft{}.attach(model).weights()) {
      base[weight.name] = weight.value.to(at::kDouble);
    }
    Trainer trainer(model, NextToken{}, Osft{.unfreeze_rank_ratio = 0.5},
                    Tokenized{.path = samples(folder)}, AdamW{.weight_decay = 0.1}, quick(400));
    std::vector<double> losses;
    trainer.add(Losses{&losses});
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
  const SmallModel model;
  const OsftState<Dense> none = Osft{.unfreeze_rank_ratio = 0.0}.attach(model);
  CHECK(none.trainable().empty());
  CHECK(none.targets().empty());
  const OsftState<Dense> all = Osft{.unfreeze_rank_ratio = 1.0}.attach(model);
  for (const OsftTarget* target : all.targets()) {
    CHECK(target->rank() == 0);
    CHECK(target->cores[0].values.master.sizes() == at::IntArrayRef({target->rows, target->in}));
  }
  // The rule is exact: 0.2 of 5 is 1.
  struct Narrow : SmallModel {
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
                  Tokenized{.path = samples(folder)}, AdamW{.weight_decay = 0.1}, quick(3));
  trainer.train();
  const auto before = Full{}.attach(decoder).weights();
  for (const NamedTensor& weight : trainer.state().weights()) {
    CHECK(at::equal(weight.value, named(before, weight.name)));
  }
}

TEST_CASE("targets, ratios and what trains as a whole go by pattern", "[params][osft]") {
  const SmallModel model{.tied = false};
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
                    Catch::Contains("selects no matrix of the model; hint: q is one"));
  CHECK_THROWS_WITH(Osft{.ratio_pattern = "up=0.5"}.attach(model),
                    Catch::Contains("\"up\" selects no target"));
  CHECK_THROWS_WITH(Osft{.ratio_pattern = "q=1.5"}.attach(model),
                    Catch::Contains("a ratio in [0, 1]"));
  CHECK_THROWS_WITH(Osft{.unfreeze_rank_ratio = -0.1}.attach(model),
                    Catch::Contains("must be in [0, 1]"));
  CHECK_THROWS_WITH(Osft{.target_patterns = "lm_head"}.attach(SmallModel{}),
                    Catch::Contains("shares the embedding's storage"));
}

TEST_CASE("without the base, weights take the changes of the cores", "[params][osft]") {
  const SmallModel model{.type = at::kFloat};
  OsftState<Dense> kept = Osft{.unfreeze_rank_ratio = 0.5}.attach(model);
  OsftState<Dense> bare = Osft{.unfreeze_rank_ratio = 0.5, .keep_base = false}.attach(model);
  for (int step = 0; step < 400; ++step) {
    for (auto* state : {&kept, &bare}) {
      Tensor& cores = state->trainable().back().master;
      cores.add_(normal(cores.sizes(), static_cast<std::uint64_t>(step), at::kFloat), 1e-2);
      state->publish();
    }
  }
  for (const NamedTensor& weight : bare.weights()) {
    CHECK(relative_error(weight.value, named(kept.weights(), weight.name)) < 2e-6);
  }
  CHECK(bare.bytes() < kept.bytes());
  CHECK_THROWS_WITH(bare.reference(), Catch::Contains("keep_base = false keeps no reference"));
  CHECK_THROWS_WITH((Osft{.keep_base = false}.attach(SmallModel{.type = at::kBFloat16})),
                    Catch::Contains("the model computes in BFloat16"));
}

TEST_CASE("every projection reaches all of its set, each change once", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    for (const double ratio : {0.25, 0.75, 1.0}) {
      const OsftState<Dense> state =
          Osft{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(
              SmallModel{.tied = false});
      for (const OsftTarget* target : state.targets()) {
        INFO(target->name << " at " << ratio << ", " << enum_name(projection));
        const std::int64_t rows = target->rows, in = target->in, k = target->rank();
        const std::int64_t size = projection == OsftProjection::both_sides ? (rows - k) * (in - k)
                                  : projection == OsftProjection::joint    ? rows * in - k * k
                                                                           : rows * (in - k);
        // The map from cores to changes, column by column: every one is allowed, and they are
        // orthonormal, so the set is reached as a whole and Adam's steps are of one size.
        Tensor map = at::zeros({rows * in, size}, at::kDouble);
        const Directions protect =
            leading(target->base.defined() ? target->base : target->weight, k);
        std::int64_t column = 0;
        for (const OsftCore& core : target->cores) {
          for (std::int64_t i = 0; i < core.values.master.numel(); ++i) {
            Tensor unit = at::zeros_like(core.values.master);
            unit.view({-1})[i] = 1.0;
            const Tensor change = core.product(unit);
            if (k > 0) REQUIRE(forbidden(projection, to_eigen(change), protect) < 1e-12);
            map.select(1, column++).copy_(change.reshape({-1}));
          }
        }
        REQUIRE(column == size);
        const Tensor gram = map.t().matmul(map);
        CHECK((gram - at::eye(size, gram.options())).abs().max().item<double>() < 1e-12);
      }
    }
  }
}

TEST_CASE("no projection is left in 400 steps of AdamW with decay and clipping", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5, .projection = projection}.attach(
          SmallModel{.type = type, .tied = false});
      std::map<std::string, Tensor> base;
      for (const NamedTensor& weight : state.weights()) {
        base[weight.name] = weight.value.to(at::kDouble);
      }
      AdamWState adamw = AdamW{.weight_decay = 0.1}.attach(state.trainable());
      for (int step = 0; step < 400; ++step) {
        for (ParameterGroup& group : state.trainable()) group.grad.zero_();
        const auto seed = static_cast<std::uint64_t>(step);
        const Tensor x = normal({16, 8}, seed, type), y = normal({16, 8}, seed + 1000, type);
        const Tensor gates = state.linear(0, x).mean(1, true);  // every part of the site
        const Tensor out = state.linear(2, state.linear(1, x).mul(gates));
        (out - y).square().mean().backward();
        adamw.step(state.trainable(), 1e-2,
                   optim::clip_coefficient(optim::global_norm(state.trainable()), 1.0));
        state.publish();
      }
      const auto after = state.weights();
      for (const OsftTarget* target : state.targets()) {
        if (target->name == "lm_head") continue;
        INFO(target->name << " in " << c10::toString(type) << ", " << enum_name(projection));
        Tensor w0 = base.at(target->name + ".weight");
        Tensor w = named(after, target->name + ".weight").to(at::kDouble);
        if (target->name == "conv") w0 = w0.t(), w = w.t();
        const Directions protect = leading(w0, target->rank());
        CHECK(forbidden(projection, to_eigen(state.update(*target)), protect) <= 1e-6);
        CHECK(forbidden(projection, to_eigen(w - w0), protect) <= 1e-6);
        CHECK((w - w0).norm().item<double>() > 0.05 * w0.norm().item<double>());
      }
    }
  }
}

TEMPLATE_TEST_CASE("a new task starts from the model as it is, in subspaces of its own",
                   "[params][osft]", Dense, Kept) {
  for (const OsftProjection projection : kProjections) {
    OsftState<TestType> state =
        BasicOsft<TestType>{.unfreeze_rank_ratio = 0.5, .projection = projection, .train = "norm"}
            .attach(SmallModel{});
    const auto numbers = [&] {
      std::map<std::string, Tensor> all;
      for (const NamedTensor& w : state.weights()) all[w.name] = w.value.clone();
      return all;
    };
    auto before = numbers();
    move_cores(state, 1.0);
    state.trainable().front().master.add_(0.5);  // the norm
    state.publish();
    const auto learnt = numbers();
    const Tensor x = normal({3, 8}, 1);
    const Tensor product = state.linear(0, x).detach();
    CHECK_FALSE(at::equal(state.reference().linear(0, x).detach(), product));

    const OsftTask task = state.begin_task("second", {.unfreeze_rank_ratio = 0.25});
    // Beside a stored matrix the sum is the same in another order.
    const auto same_numbers = [](const Tensor& a, const Tensor& b) {
      return TestType::dense ? at::equal(a, b) : relative_error(a, b) < 1e-14;
    };
    for (const auto& [name, value] : numbers()) CHECK(same_numbers(value, learnt.at(name)));
    CHECK(same_numbers(state.linear(0, x).detach(), product));
    CHECK(at::equal(state.reference().linear(0, x).detach(), state.linear(0, x).detach()));
    CHECK(at::equal(state.reference().vector(0), state.vector(0).detach()));
    CHECK(state.trainable().back().master.abs().max().template item<double>() == 0.0);
    CHECK(task.name == "second");
    REQUIRE(task.targets.size() == state.targets().size());
    move_cores(state, 1.0);
    for (std::size_t i = 0; i < task.targets.size(); ++i) {
      const OsftTarget& target = *state.targets()[i];
      const std::string name = target.name + ".weight";
      const bool transposed = target.name == "conv";
      const Tensor w0 = transposed ? before.at(name).t() : before.at(name);
      const Tensor w1 = transposed ? learnt.at(name).t() : learnt.at(name);
      const std::int64_t shorter = std::min(target.rows, target.in);
      CHECK(task.targets[i].name == target.name);
      CHECK(task.targets[i].rank == shorter - shorter / 4);
      CHECK(target.rank() == task.targets[i].rank);
      CHECK(forbidden(projection, to_eigen(state.update(target)), leading(w1, target.rank())) <
            1e-12);
      // The angles are those of the two weights' own subspaces.
      const auto old = protected_subspaces(w0, shorter / 2),
                 now = protected_subspaces(w1, shorter - shorter / 4);
      const auto same = [&](const std::vector<double>& given, const Tensor& a, const Tensor& b) {
        const std::vector<double> expected = principal_angles(a, b);
        REQUIRE(given.size() == expected.size());
        for (std::size_t j = 0; j < given.size(); ++j) {
          CHECK(given[j] == Approx(expected[j]).margin(1e-9));
        }
      };
      same(task.targets[i].right, old.right, now.right);
      if (projection == OsftProjection::input_only) {
        CHECK(task.targets[i].left.empty());
      } else {
        same(task.targets[i].left, old.left, now.left);
      }
    }
    CHECK(state.tasks().size() == 1);
    // What trains from there on is not seen by the reference; a third task stands on all of it.
    CHECK(same_numbers(state.reference().linear(0, x).detach(), product));
    const auto moved = numbers();
    const Tensor later = state.linear(0, x).detach();
    state.begin_task("third", {.unfreeze_rank_ratio = 0.125});
    for (const auto& [name, value] : numbers()) CHECK(same_numbers(value, moved.at(name)));
    CHECK(at::equal(state.reference().linear(0, x).detach(), state.linear(0, x).detach()));
    CHECK(relative_error(state.linear(0, x).detach(), later) < 1e-13);
  }
}

TEST_CASE("a task may protect all that earlier ones protected", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    OsftState<Dense> state =
        Osft{.unfreeze_rank_ratio = 0.75, .ratio_pattern = "k=0", .projection = projection}.attach(
            SmallModel{});
    std::map<std::string, Directions> first;
    for (const OsftTarget* target : state.targets()) {
      first[target->name] = leading(target->base, target->rank());
    }
    for (const double ratio : {0.5, 0.25}) {
      move_cores(state, 3.0);  // so much that the order of singular values changes
      state.begin_task("next", {.unfreeze_rank_ratio = ratio, .keep_protected = true});
      move_cores(state, 1.0);
      CHECK(state.targets().size() == 4);  // k was protected as a whole
      for (const OsftTarget* target : state.targets()) {
        const std::int64_t shorter = std::min(target->rows, target->in);
        CHECK(target->rank() == shorter - std::llround(ratio * static_cast<double>(shorter)));
        CHECK(forbidden(projection, to_eigen(state.update(*target)), first.at(target->name)) <
              1e-12);
      }
    }
    CHECK_THROWS_WITH(
        state.begin_task("wider", {.unfreeze_rank_ratio = 0.5, .keep_protected = true}),
        Catch::Contains("hint: lower unfreeze_rank_ratio from task to task"));
  }
  CHECK_THROWS_WITH(Osft{}.attach(SmallModel{}).begin_task("second", {.unfreeze_rank_ratio = 1.5}),
                    Catch::Contains("expected an unfreeze_rank_ratio in [0, 1], got 1.5"));
  // In bf16 the base is what a saved folder would hold.
  OsftState<Dense> half = Osft{}.attach(SmallModel{.type = at::kBFloat16});
  move_cores(half);
  const Tensor rounded = half.targets()[0]->weight.clone();
  half.begin_task("second");
  CHECK(at::equal(half.targets()[0]->base, rounded));
  // Without a base there is one still: the weights themselves.
  OsftState<Dense> bare = Osft{.keep_base = false}.attach(SmallModel{});
  move_cores(bare);
  const Tensor bare_weight = bare.targets()[0]->weight.clone();
  bare.begin_task("second");
  CHECK(at::equal(bare.targets()[0]->weight, bare_weight));
  move_cores(bare);
  CHECK(relative_error(bare.targets()[0]->weight - bare_weight, bare.update(*bare.targets()[0])) <
        1e-12);
}

TEST_CASE("a second Trainer goes on with the state of the first", "[params][osft]") {
  const TempFolder folder;
  const auto model = test::tiny_model(at::kFloat);
  const Tokenized data{.path = samples(folder)};
  Options options = quick(40), next = options;
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
  second.add(Losses{&losses});
  CHECK(second.train().steps == 40);
  const auto epoch = [&](std::size_t step) {
    return losses[step] + losses[step + 1] + losses[step + 2] + losses[step + 3];
  };
  CHECK(epoch(36) < epoch(0));
  CHECK(at::equal(hidden(second.state().reference()), between));
  CHECK_FALSE(at::equal(hidden(second.state()), between));
  CHECK(second.state().tasks().size() == 1);
}

TEST_CASE("bf16 weights are the exact ones rounded once", "[params][osft]") {
  OsftState<Dense> state =
      Osft{.unfreeze_rank_ratio = 0.5}.attach(SmallModel{.type = at::kBFloat16});
  CHECK(state.trainable().back().value.is_same(state.trainable().back().master));
  CHECK(state.trainable().back().master.scalar_type() == at::kFloat);
  for (int step = 0; step < 3; ++step) {
    move_cores(state, 0.01 * step);
    for (const OsftTarget* target : state.targets()) {
      const Tensor exact = target->base.to(at::kFloat) + state.update(*target);
      CHECK(at::equal(target->weight, exact.to(at::kBFloat16)));
      const Tensor saved = named(state.weights(), target->name + ".weight");
      CHECK(relative_error(target->name == "conv" ? saved.t() : saved, exact) < 1e-7);
    }
  }
}

TEST_CASE("a resumed run of cores equals the uninterrupted one bit for bit", "[params][osft]") {
  const TempFolder folder;
  const std::string path = samples(folder);
  const auto run = [&](std::int64_t steps, const std::string& name) {
    Options options = quick(steps);
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
  const std::string path = samples(folder), other = (folder / "other").string();
  const auto run = [&](std::int64_t steps, const std::string& name, const std::string& cache,
                       OsftProjection projection) {
    Options options = quick(steps);
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

TEST_CASE("a delta brings the tuned model back on its base", "[params][osft]") {
  const TempFolder folder;
  const std::string path = (folder / "delta").string();
  const auto check = [&](const auto& policy, const auto& loader, at::ScalarType type) {
    INFO(describe(policy) << " in " << c10::toString(type));
    const SmallModel model{.type = type};
    auto state = policy.attach(model);
    move_cores(state);
    state.trainable().front().master.add_(0.5);  // the norm
    state.publish();
    save(state, path, "the/base");
    auto again = loader.attach(model);
    const double tolerance = type == at::kDouble ? 1e-12 : type == at::kFloat ? 1e-6 : 4e-3;
    const auto expected = state.weights(), weights = again.weights();
    REQUIRE(weights.size() == expected.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      INFO(weights[i].name);
      CHECK(weights[i].name == expected[i].name);
      CHECK(relative_error(weights[i].value, expected[i].value) < tolerance);
    }
    const Tensor x = normal({3, 8}, 1, type);
    CHECK(at::equal(again.reference().linear(0, x).detach(),
                    state.reference().linear(0, x).detach()));
    CHECK(at::equal(again.vector(0).detach(), state.vector(0).detach()));
    REQUIRE(again.targets().size() == state.targets().size());
    for (std::size_t i = 0; i < again.targets().size(); ++i) {
      const OsftTarget &a = *again.targets()[i], &b = *state.targets()[i];
      CHECK(a.rank() == b.rank());
      CHECK(a.cores.size() == b.cores.size());
    }
    // Never more than the matrices themselves.
    std::int64_t stored = 0, dense = 0;
    for (const auto& [name, tensor] :
         io::load_tensors(io::fs::path(path) / "osft_delta.safetensors")) {
      if (name != "norm.weight") stored += tensor.numel();
      if (name != "norm.weight") CHECK(tensor.scalar_type() == type);
    }
    for (const OsftTarget* target : again.targets()) dense += target->rows * target->in;
    CHECK(stored <= dense);
    return static_cast<double>(stored) / static_cast<double>(dense);
  };
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const OsftProjection projection : kProjections) {
      const double share = check(Osft{.unfreeze_rank_ratio = 0.25,
                                      .ratio_pattern = "q=0",
                                      .projection = projection,
                                      .train = "norm"},
                                 From<Osft>{.folder = path}, type);
      if (projection == OsftProjection::both_sides) CHECK(share < 0.5);
      check(Osft{.unfreeze_rank_ratio = 0.75, .projection = projection, .train = "norm"},
            From<Osft>{.folder = path}, type);
      check(BasicOsft<Kept>{.unfreeze_rank_ratio = 0.5, .projection = projection, .train = "norm"},
            From<BasicOsft<Kept>>{.folder = path}, type);
    }
  }
  // The delta of a task belongs to the model that the task began with.
  OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5}.attach(SmallModel{});
  move_cores(state);
  state.begin_task("second");
  move_cores(state);
  save(state, path);
  CHECK_THROWS_WITH(From<Osft>{.folder = path}.attach(SmallModel{}),
                    Catch::Contains("of this base is not the one that the delta was made on"));
}

TEST_CASE("a delta on another base, or with other tensors, is refused", "[params][osft]") {
  const TempFolder folder;
  const io::fs::path path = folder / "delta";
  OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5, .train = "norm"}.attach(SmallModel{});
  move_cores(state);
  save(state, path.string());
  const From<Osft> from{.folder = path.string()};
  struct Moved : SmallModel {
    Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
                bool random) const {
      const Tensor w = SmallModel::load(name, shape, initial, random);
      return name == "down.weight" ? w + 1e-6 : w;
    }
  };
  CHECK_THROWS_WITH(from.attach(Moved{}), Catch::Contains("down of this base is not the one"));
  struct Wider : SmallModel {
    Layout layout() const {
      Layout all = SmallModel::layout();
      all.sites[2].in = 24;
      return all;
    }
  };
  CHECK_THROWS_WITH(from.attach(Wider{}), Catch::Contains("down is [8, 20] there"));
  struct Fewer : SmallModel {
    Layout layout() const {
      Layout all = SmallModel::layout();
      all.sites.erase(all.sites.begin() + 2);
      return all;
    }
  };
  CHECK_THROWS_WITH(from.attach(Fewer{}), Catch::Contains("the model has no 'down.weight'"));
  CHECK_THROWS_WITH(From<Osft>{}.attach(SmallModel{}),
                    Catch::Contains("must name a delta's folder"));

  const auto good = io::load_tensors(path / "osft_delta.safetensors");
  const auto rewrite = [&](auto change) {
    std::map<std::string, Tensor> tensors = good;
    change(tensors);
    std::vector<std::pair<std::string, Tensor>> list(tensors.begin(), tensors.end());
    io::save_tensors(path / "osft_delta.safetensors", list);
  };
  rewrite([](auto& tensors) { tensors.erase("norm.weight"); });
  CHECK_THROWS_WITH(from.attach(SmallModel{}), Catch::Contains("missing key 'norm.weight'"));
  rewrite([](auto& tensors) { tensors["more"] = tensors["norm.weight"].clone(); });
  CHECK_THROWS_WITH(from.attach(SmallModel{}), Catch::Contains("unexpected key 'more'"));
  rewrite([](auto& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (name.starts_with("q.")) tensor = normal(tensor.sizes(), 77);
    }
  });
  CHECK_THROWS_WITH(from.attach(SmallModel{}), Catch::Contains("do not hold the change"));
  // Nothing is lost where nothing can be saved.
  state.trainable().back().master[0] = std::nan("");
  CHECK_THROWS_WITH(save(state, path.string()), Catch::Contains("not finite"));
  CHECK(io::fs::exists(path / "osft_delta.json"));
  CHECK_THROWS_WITH(save(Osft{.keep_base = false}.attach(SmallModel{}), path.string()),
                    Catch::Contains("keep_base = false keeps no base"));
}

TEST_CASE("cores train beside matrices in 4 bits", "[params][osft]") {
  const TempFolder folder;
  const auto model = test::tiny_model(at::kFloat);
  Trainer trainer(model, NextToken{}, BasicOsft<Nf4>{.unfreeze_rank_ratio = 0.5},
                  Tokenized{.path = samples(folder)}, AdamW{}, quick(100));
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
  const auto base = BasicFrozen<Nf4>{}.attach(model);
  const auto hidden = [&](const auto& gate) {
    at::NoGradGuard no_grad;
    return model.hidden(gate, batch);
  };
  CHECK(at::equal(hidden(trainer.state()), hidden(base)));
  std::vector<double> losses;
  trainer.add(Losses{&losses});
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
                 Tokenized{.path = samples(folder)}, AdamW{}, quick(20));
  second.train();
  CHECK(relative_error(hidden(second.state().reference()), learnt) < 1e-5);
  CHECK_FALSE(at::equal(hidden(second.state()), hidden(second.state().reference())));
}
