// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/pair_losses.hpp"

#include <string>
#include <utility>

#include "posttrain/recipes/dpo.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

namespace {

struct Chosen {
  std::string loss;
  double likelihood;
};

Chosen chosen(const DpoOptions& options) {
  return with_pair_loss(options, [](const auto& loss, double likelihood) {
    return Chosen{describe(loss), likelihood};
  });
}

}  // namespace

TEST_CASE("TRL's names are the losses that docs/losses.md gives them", "[recipes][pair_losses]") {
  const std::pair<const char*, std::string> names[] = {
      {"sigmoid", describe(Dpo{})},       {"hinge", describe(Hinge{})},
      {"ipo", describe(Ipo{})},           {"exo_pair", describe(ExoPair{})},
      {"nca_pair", describe(NcaPair{})},  {"robust", describe(RobustDpo{})},
      {"bco_pair", describe(BcoPair{})},  {"sppo_hard", describe(SppoHard{})},
      {"aot", describe(AotPair{})},       {"aot_unpaired", describe(AotUnpaired{})},
      {"apo_zero", describe(ApoZero{})},  {"apo_down", describe(ApoDown{})},
      {"discopop", describe(Discopop{})}, {"sigmoid_norm", describe(SigmoidNorm{})},
      {"kto_pair", describe(KtoPair{})},  {"simpo", describe(SimPo{})},
  };
  for (const auto& [name, loss] : names) {
    INFO(name);
    const Chosen found = chosen({.loss_type = name});
    CHECK(found.loss == loss);
    CHECK(found.likelihood == 0.0);
  }
  // Their objectives have the chosen answers' likelihood beside them.
  CHECK(chosen({.loss_type = "orpo"}).loss == describe(Orpo{}));
  CHECK(chosen({.loss_type = "orpo"}).likelihood == 1.0);
  CHECK(chosen({.loss_type = "cpo"}).loss == describe(Cpo{}));
  CHECK(chosen({.loss_type = "cpo", .rpo_alpha = 0.25}).likelihood == 0.25);
  CHECK(chosen({.rpo_alpha = 0.5}).likelihood == 0.5);
}

TEST_CASE("members become the loss's fields", "[recipes][pair_losses]") {
  CHECK(chosen({.beta = 0.3, .label_smoothing = 0.2}).loss ==
        describe(Dpo{.beta = 0.3, .label_smoothing = 0.2}));
  CHECK(chosen({.loss_type = "ipo",
                .f_divergence_type = "alpha_divergence",
                .f_alpha_divergence_coef = 0.7})
            .loss == describe(Ipo{.divergence = {FDivergence::alpha_divergence, 0.7}}));
  CHECK(chosen({.loss_type = "discopop", .discopop_tau = 0.1}).loss ==
        describe(Discopop{.tau = 0.1}));
  CHECK(chosen({.loss_type = "simpo", .simpo_gamma = 0.0}).loss == describe(SimPo{.gamma = 0.0}));
}

TEST_CASE("what a loss has no field for is refused", "[recipes][pair_losses]") {
  using test::error_of;
  const auto refused = [](const DpoOptions& options) { return error_of([&] { chosen(options); }); };
  CHECK(refused({.loss_type = "ipo", .label_smoothing = 0.1}) ==
        "loss_type = ipo has no label_smoothing; hint: leave it out");
  CHECK(refused({.simpo_gamma = 0.5}) ==
        "loss_type = sigmoid has no simpo_gamma; hint: leave it out");
  CHECK(refused({.loss_type = "orpo", .f_divergence_type = "forward_kl"}) ==
        "loss_type = orpo has no f_divergence_type; hint: leave it out");
  CHECK(refused({.discopop_tau = 0.5}) ==
        "loss_type = sigmoid has no discopop_tau; hint: leave it out");
  CHECK(refused({.f_alpha_divergence_coef = 0.7}) ==
        "f_alpha_divergence_coef needs f_divergence_type = alpha_divergence");
  CHECK(refused({.loss_type = "grpo"}) ==
        "loss_type = grpo is no loss on pairs; hint: docs/losses.md#losses-on-pairs");
}
