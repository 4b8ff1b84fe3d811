// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/eva.hpp"

#include <map>

#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/input_keeper.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::vector<TokenBatch> calibration() {
  return {batch_of({some_sequence(30, 1), some_sequence(25, 2)}), batch_of({some_sequence(40, 3)})};
}

InputStatistics statistics(const models::Decoder& model) {
  return input_statistics(model, Frozen{}.attach(model), calibration());
}

/// All inputs of a site, one below another.
Tensor inputs_of(const models::Decoder& model, int site) {
  at::NoGradGuard no_grad;
  const auto gate = Frozen{}.attach(model);
  Tensors kept;
  const test::InputKeeper keeper(gate, [&](int at, const Tensor& x) {
    if (at == site) kept.push_back(x.clone());
  });
  for (const TokenBatch& batch : calibration()) model.hidden(keeper, batch);
  return at::cat(kept);
}

}  // namespace

TEST_CASE("EVA's A are the leading right singular vectors of the centred inputs", "[params][eva]") {
  const models::Decoder model = tiny_model();
  const FullState full = Full{}.attach(model);
  for (const bool whiten : {false, true}) {
    auto state =
        Eva{.lora = {.rank = 3}, .inputs = statistics(model), .whiten = whiten}.attach(model);
    std::map<std::string, int> sites;
    for (int site = 0; site < 8; ++site) {
      for (const MatrixSpec& part : model.layout().sites[static_cast<std::size_t>(site)].parts) {
        sites[part.name] = site;
      }
    }
    for (const AdapterTensors& adapter : state.adapters()) {
      INFO(adapter.module);
      const Tensor x = inputs_of(model, sites.at(adapter.module));
      const auto [u, s, vh] = at::linalg_svd(x - x.mean(0), false);
      const std::int64_t rank = adapter.a.size(0);
      Tensor expected = vh.narrow(0, 0, rank);
      if (whiten) expected = expected / s.narrow(0, 0, rank).sqrt().unsqueeze(1);
      // Up to signs, which make the largest entry positive.
      CHECK(relative_error(adapter.a.abs(), expected.abs()) < 1e-6);
      CHECK((std::get<0>(adapter.a.max(1)) == std::get<0>(adapter.a.abs().max(1)))
                .all()
                .item<bool>());
      CHECK(adapter.b.abs().max().item<double>() == 0.0);
    }
    at::NoGradGuard no_grad;
    const TokenBatch batch = calibration()[1];
    CHECK(at::equal(model.hidden(state, batch), model.hidden(full, batch)));
  }
}

TEST_CASE("EVA deals the ranks out to the largest shares of variance", "[params][eva]") {
  const models::Decoder model = tiny_model();
  const InputStatistics inputs = statistics(model);
  const Lora lora{.rank = 3, .alpha = 6, .rank_pattern = "down_proj=2"};
  const auto ranks = [&](const Eva& eva) {
    std::map<std::string, std::int64_t> all;
    for (const AdapterTensors& adapter : eva.attach(model).adapters()) {
      all[adapter.module] = adapter.a.size(0);
    }
    return all;
  };
  // As many as before, where no layer may grow.
  const auto kept = ranks({.lora = lora, .inputs = inputs, .rho = 1.0});
  CHECK(kept.size() == 14);
  for (const auto& [module, rank] : kept) {
    CHECK(rank == (module.ends_with("down_proj") ? 2 : 3));
  }
  // The same sum, and the least share that was taken is no less than the largest that was not.
  const auto dealt = ranks({.lora = lora, .inputs = inputs});
  std::int64_t sum = 0;
  double least = 1.0, most = 0.0;
  bool changed = false;
  for (int site = 0; site < 8; ++site) {
    const SiteSpec& spec = model.layout().sites[static_cast<std::size_t>(site)];
    const Tensor covariance = inputs.covariance(site);
    const Tensor shares =
        std::get<0>(at::linalg_eigh(covariance)).flip(0) / covariance.diagonal().sum();
    for (const MatrixSpec& part : spec.parts) {
      const auto found = dealt.find(part.name);
      const std::int64_t rank = found == dealt.end() ? 0 : found->second;
      const std::int64_t offered = part.name.ends_with("down_proj") ? 4 : 6;
      sum += rank;
      changed = changed || rank != kept.at(part.name);
      CHECK(rank <= offered);
      if (rank > 0) least = std::min(least, shares[rank - 1].item<double>());
      if (rank < offered) most = std::max(most, shares[rank].item<double>());
    }
  }
  CHECK(sum == 2 * (6 * 3 + 2));
  CHECK(changed);
  CHECK(least >= most * (1 - 1e-12));
  // s stays that of the policy, or follows the rank.
  for (const AdapterTensors& adapter :
       Eva{.lora = lora, .inputs = inputs}.attach(model).adapters()) {
    CHECK(adapter.scale == Approx(adapter.module.ends_with("down_proj") ? 3.0 : 2.0));
  }
  const Eva fixed{.lora = lora, .inputs = inputs, .adjust_scaling_factors = false};
  for (const AdapterTensors& adapter : fixed.attach(model).adapters()) {
    CHECK(adapter.scale == Approx(6.0 / static_cast<double>(adapter.a.size(0))));
  }
}

TEST_CASE("EVA without inputs or with a first value of its own is refused", "[params][eva]") {
  const models::Decoder model = tiny_model();
  CHECK_THROWS_WITH(Eva{}.attach(model), Catch::Contains("recorded inputs"));
  CHECK_THROWS_WITH((Eva{.lora = {.init = LoraInit::pissa}}.validate()),
                    Catch::Contains("Eva.lora.init"));
  CHECK_THROWS_WITH((Eva{.rho = 0.5}.validate()), Catch::Contains("Eva.rho"));
  const auto few =
      input_statistics(model, Frozen{}.attach(model), {batch_of({some_sequence(5, 1)})});
  CHECK_THROWS_WITH((Eva{.inputs = few}.attach(model)), Catch::Contains("more batches"));
  CHECK_THROWS_WITH((Eva{.lora = {.target_modules = "lm_head"}, .inputs = few}.attach(model)),
                    Catch::Contains("recorded inputs"));
  const auto state =
      Eva{.lora = {.target_modules = "q_proj, embed_tokens"}, .inputs = statistics(model)}.attach(
          model);
  CHECK(state.adapters().back().table);
}
