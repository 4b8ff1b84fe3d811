// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/full.hpp"

#include <map>

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::named;
using posttrain::test::SmallModel;

namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

Shapes shapes(const std::vector<NamedTensor>& tensors) {
  Shapes all;
  for (const NamedTensor& tensor : tensors) all[tensor.name] = tensor.value.sizes().vec();
  CHECK(all.size() == tensors.size());
  return all;
}

}  // namespace

TEST_CASE("full fine-tuning lists every tensor under its checkpoint name and shape", "[params]") {
  const FullState state = Full{}.attach(SmallModel{});
  const Shapes expected{{"embed.weight", {6, 4}}, {"q.weight", {4, 4}}, {"q.bias", {4}},
                        {"k.weight", {2, 4}},     {"k.bias", {2}},      {"conv.weight", {4, 5}},
                        {"conv.bias", {5}},       {"norm.weight", {4}}, {"norm.bias", {4}}};
  CHECK(shapes(state.weights()) == expected);  // the tied head has no name of its own
  CHECK(shapes(state.gradients()) == expected);
  Shapes untied = expected;
  untied["lm_head.weight"] = {6, 4};
  CHECK(shapes(Full{}.attach(SmallModel{.tied = false}).weights()) == untied);
}

TEST_CASE("weights start from what the model loads", "[params]") {
  const SmallModel model;
  const FullState state = Full{}.attach(model);
  CHECK(at::equal(named(state.weights(), "embed.weight"), normal({6, 4}, 22)));
  CHECK(at::equal(named(state.weights(), "conv.weight"), normal({4, 5}, 21)));
  CHECK(at::equal(named(state.weights(), "norm.weight"), at::ones({4}, at::kDouble)));
  CHECK(named(state.weights(), "q.bias").abs().sum().item<double>() == 0.0);
}

TEST_CASE("a selection trains alone, with the gradients of full fine-tuning", "[params]") {
  const SmallModel model;
  const Tensor ids = at::tensor({1, 5, 2}, at::kLong);
  const auto run = [&](const FullState& state) {
    const Tensor x = state.embed(0, ids) * state.vector(0) + state.vector(1);
    const Tensor y = state.linear(0, x);
    ((y * normal({3, 6}, 3)).sum() + (state.linear(1, x) * normal({3, 5}, 4)).sum() +
     (state.linear(2, x) * normal({3, 6}, 5)).sum())
        .backward();
    return y.detach();
  };
  const FullState full = Full{}.attach(model);
  const Tensor y = run(full);
  const std::map<std::string, std::vector<std::string>> cases{
      {"embed", {"embed.weight"}},
      {"q", {"q.weight", "q.bias"}},  // one part of a fused site
      {"conv.weight", {"conv.weight"}},
      {"norm, k.bias", {"k.bias", "norm.weight", "norm.bias"}}};
  for (const auto& [pattern, names] : cases) {
    INFO(pattern);
    const FullState some = Full{.train = pattern}.attach(model);
    CHECK(relative_error(run(some), y) < 1e-15);
    std::vector<std::string> trained;
    for (const NamedTensor& gradient : some.gradients()) {
      trained.push_back(gradient.name);
      CHECK(relative_error(gradient.value, named(full.gradients(), gradient.name)) < 1e-14);
    }
    CHECK(trained == names);
    CHECK(shapes(some.weights()) == shapes(full.weights()));
    for (const NamedTensor& weight : some.weights()) {
      CHECK(at::equal(weight.value, named(full.weights(), weight.name)));
    }
  }
  CHECK_THROWS_WITH((Full{.freeze = "embe, q"}.attach(model)),
                    "Full.freeze \"embe\" selects nothing of the model; hint: \"embed\" would");
  CHECK_THROWS_WITH((Full{.train = "q", .freeze = "q"}.attach(model)),
                    Catch::Contains("selects no tensor"));
  const FullState rest = Full{.freeze = "embed, q"}.attach(model);
  CHECK(rest.gradients().size() == 6);
  CHECK_THROWS_WITH(Full{.train = "nothing"}.attach(model),
                    Catch::Contains("Full.train \"nothing\" selects nothing of the model"));
}
