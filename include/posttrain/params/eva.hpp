// SPDX-License-Identifier: Apache-2.0
// EVA: LoRA whose A begins with the directions in which a layer's inputs vary most, with ranks
// dealt out among the layers by the variance that they explain (arXiv 2410.07170).
//
//   const auto gate = Frozen{}.attach(model);
//   const InputStatistics inputs = input_statistics(model, gate, batches);
//   Trainer trainer(model, NextToken{}, Eva{.lora = {.rank = 16}, .inputs = inputs}, …);
//
// A of a matrix is the leading eigenvectors of its inputs' covariance, B is 0. Each matrix offers
// round(rho · rank) directions, and the best of all, by their share of their layer's variance, get
// the ranks that the matrices had together; one may end up without an adapter.
// Names, defaults and the dealing are PEFT's EvaConfig. PEFT approximates the components batch by
// batch until they stand still; these are of the exact covariance of all batches. PEFT leaves out
// rows without a label, which is `InputRows` of the statistics here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/params/calibration/input_statistics.hpp"
#include "posttrain/params/lora.hpp"

namespace posttrain {

namespace detail {

/// Leading directions of a site's inputs, strongest first.
struct InputDirections {
  Tensor directions;          // [k, in], float64, orthonormal rows
  std::vector<double> share;  // [k] of the variance
  Tensor singular;            // [k] singular values of the centred inputs
};

inline InputDirections input_directions(const InputStatistics& inputs, int site, std::int64_t k) {
  const Tensor covariance = inputs.covariance(site);
  k = std::min(k, covariance.size(0));
  if (inputs.rows(site) <= k) {
    raise("Eva expected more than {} rows of inputs for {} directions, got {}; hint: more batches",
          k, k, inputs.rows(site));
  }
  const double total = covariance.diagonal().sum().item<double>();
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const Tensor leading = values.flip(0).narrow(0, 0, k).clamp_min(0);
  const Tensor rows = vectors.t().flip(0).narrow(0, 0, k);
  // Signs as PEFT has them: the largest entry is positive.
  const Tensor largest = rows.gather(1, rows.abs().argmax(1, true));
  InputDirections result{rows * largest.sign(), {}, {}};
  result.singular = (leading * static_cast<double>(inputs.rows(site))).sqrt();
  const Tensor shares = (leading / total).cpu();
  result.share.assign(shares.data_ptr<double>(), shares.data_ptr<double>() + k);
  return result;
}

/// A matrix that gets an adapter.
struct EvaTarget {
  std::string module;
  int site;
  std::int64_t rank;  // before the dealing
  double alpha;
  std::int64_t dealt = 0;
};

/// Deals the ranks of all targets out to the largest shares.
inline void deal_ranks(std::vector<EvaTarget>& targets,
                       const std::map<int, InputDirections>& directions) {
  std::vector<std::pair<double, EvaTarget*>> offers;
  std::int64_t budget = 0;
  for (EvaTarget& target : targets) {
    budget += target.rank;
    for (const double share : directions.at(target.site).share) offers.emplace_back(share, &target);
  }
  std::ranges::stable_sort(offers, [](const auto& a, const auto& b) { return a.first > b.first; });
  offers.resize(std::min(offers.size(), static_cast<std::size_t>(budget)));
  for (const auto& offer : offers) offer.second->dealt += 1;
}

}  // namespace detail

template <class Storage = Dense>
struct BasicEva {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  BasicLora<Storage> lora{};           // its `init` stays kaiming; tables start as there
  InputStatistics inputs{};            // of the model that is to be trained
  double rho = 2.0;                    // directions per rank that a matrix offers; 1: ranks stay
  bool whiten = false;                 // divide by the root of the singular values
  bool adjust_scaling_factors = true;  // alpha changes with the rank, so that s = alpha / r stays

  void validate() const {
    lora.validate();
    if (lora.init != LoraInit::kaiming) fail("posttrain: Eva.lora.init must be left as it is");
    if (!(rho >= 1.0)) fail("posttrain: Eva.rho must be at least 1");
  }

  State attach(const auto& model) const {
    at::NoGradGuard no_grad;
    validate();
    const WeightSource source = WeightSource::of(model);
    const Layout& layout = source.layout;
    lora.check_patterns(layout);
    std::vector<detail::EvaTarget> targets;
    std::map<int, std::int64_t> offered;
    for (int i = 0; i < static_cast<int>(layout.sites.size()); ++i) {
      const SiteSpec& site = layout.sites[static_cast<std::size_t>(i)];
      for (const MatrixSpec& part : site.parts) {
        if (!lora.targets(site, part.name)) continue;
        targets.push_back({part.name, i, lora.rank_of(part.name), lora.alpha_of(part.name)});
        const auto directions = static_cast<std::int64_t>(
            std::nearbyint(static_cast<double>(targets.back().rank) * rho));
        offered[i] = std::max(offered[i], directions);
      }
    }
    std::map<int, detail::InputDirections> directions;
    for (const auto& [site, k] : offered) {
      directions.emplace(site, detail::input_directions(inputs, site, k));
    }
    detail::deal_ranks(targets, directions);

    State state(source, dealt(layout, targets));
    std::map<std::string, int> sites;
    for (const detail::EvaTarget& target : targets) sites[target.module] = target.site;
    for (const AdapterTensors& adapter : state.adapters()) {
      if (adapter.table) continue;
      const detail::InputDirections& from = directions.at(sites.at(adapter.module));
      const std::int64_t rank = adapter.a.size(0);
      Tensor first = from.directions.narrow(0, 0, rank);
      if (whiten) first = first / from.singular.narrow(0, 0, rank).sqrt().unsqueeze(1);
      Tensor a = adapter.a;
      a.copy_(first);
    }
    state.publish();
    return state;
  }

 private:
  /// The policy with the ranks that were dealt.
  BasicLora<Storage> dealt(const Layout& layout,
                           const std::vector<detail::EvaTarget>& targets) const {
    std::vector<std::string> modules, ranks, alphas;
    const auto add = [&](std::string_view module, std::int64_t rank, double alpha) {
      modules.emplace_back(module);
      ranks.push_back(fmt::format("{}={}", module, rank));
      alphas.push_back(fmt::format("{}={}", module, alpha));
    };
    for (const detail::EvaTarget& target : targets) {
      if (target.dealt == 0) continue;
      const double growth = static_cast<double>(target.dealt) / static_cast<double>(target.rank);
      add(target.module, target.dealt, target.alpha * (adjust_scaling_factors ? growth : 1.0));
    }
    for (const TableSpec& table : layout.tables) {
      const std::string_view module = detail::module_of(table.name);
      if (lora.targets(table)) add(module, lora.rank_of(module), lora.alpha_of(module));
    }
    BasicLora<Storage> policy = lora;
    policy.target_modules = join(modules, ",");
    policy.exclude_modules = "";
    policy.rank_pattern = join(ranks, ",");
    policy.alpha_pattern = join(alphas, ",");
    return policy;
  }
};

using Eva = BasicEva<>;

}  // namespace posttrain
