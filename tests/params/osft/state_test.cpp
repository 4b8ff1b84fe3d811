// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/state.hpp"

#include <map>

#include "posttrain/base/describe.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft/principal_angles.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/osft.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;
using test::named;

TEST_CASE("without the base, weights take the changes of the cores", "[params][osft]") {
  const OsftModel model{.type = at::kFloat};
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
  CHECK_THROWS_WITH((Osft{.keep_base = false}.attach(OsftModel{.type = at::kBFloat16})),
                    Catch::Contains("the model computes in BFloat16"));
}

TEST_CASE("no projection is left in 400 steps of AdamW with decay and clipping", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      OsftState<Dense> state = Osft{.unfreeze_rank_ratio = 0.5, .projection = projection}.attach(
          OsftModel{.type = type, .tied = false});
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
            .attach(OsftModel{});
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
            OsftModel{});
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
  CHECK_THROWS_WITH(Osft{}.attach(OsftModel{}).begin_task("second", {.unfreeze_rank_ratio = 1.5}),
                    Catch::Contains("expected an unfreeze_rank_ratio in [0, 1], got 1.5"));
  // In bf16 the base is what a saved folder would hold.
  OsftState<Dense> half = Osft{}.attach(OsftModel{.type = at::kBFloat16});
  move_cores(half);
  const Tensor rounded = half.targets()[0]->weight.clone();
  half.begin_task("second");
  CHECK(at::equal(half.targets()[0]->base, rounded));
  // Without a base there is one still: the weights themselves.
  OsftState<Dense> bare = Osft{.keep_base = false}.attach(OsftModel{});
  move_cores(bare);
  const Tensor bare_weight = bare.targets()[0]->weight.clone();
  bare.begin_task("second");
  CHECK(at::equal(bare.targets()[0]->weight, bare_weight));
  move_cores(bare);
  CHECK(relative_error(bare.targets()[0]->weight - bare_weight, bare.update(*bare.targets()[0])) <
        1e-12);
}
