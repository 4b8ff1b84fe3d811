// SPDX-License-Identifier: Apache-2.0
// How much of each layer orthogonal subspace fine-tuning should protect, from a calibration set
// (arXiv 2504.07097, section 3; after AdaSVD, arXiv 2502.01403).
//
//   I_l = mean over tokens of cos(X_l, Y_l), divided by its mean over layers
//   r_l = mrr + I_l (trr − mrr)      share of protected directions, at most 1
//
//   const auto importance = layer_importance(model, Frozen{}.attach(model), batches);
//   const std::string ratios = importance.ratio_pattern({.target_retention = 0.75});
//   Trainer trainer(model, NextToken{}, Osft{.ratio_pattern = ratios}, …);
//
// X_l and Y_l are the residual stream before and after a transformer layer. The paper writes
// Y = W X for a layer's matrix, whose cosine exists for square matrices only, and publishes no code
// for it; layers are what its reference compares. All matrices of a layer get one ratio. Mean
// retention is trr where no layer reaches 1.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/layout.hpp"
#include "posttrain/params/forwarding.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

struct RetentionOptions {
  double min_retention = 0.1;      // mrr: protected share of a layer without importance
  double target_retention = 0.75;  // trr: of one of mean importance

  constexpr void validate() const {
    if (!(min_retention >= 0.0 && min_retention <= target_retention && target_retention <= 1.0)) {
      fail("posttrain: RetentionOptions need 0 <= min_retention <= target_retention <= 1");
    }
  }
};

struct LayerImportance {
  std::string layers;              // what names call them: "layers", "h"
  std::vector<double> cosine;      // mean cos(X, Y) of each layer
  std::vector<double> importance;  // the same over its mean

  /// Protected share of a layer's directions.
  double retention(std::size_t layer, const RetentionOptions& options = {}) const {
    options.validate();
    const double span = options.target_retention - options.min_retention;
    return std::clamp(options.min_retention + importance.at(layer) * span, 0.0, 1.0);
  }

  /// For `Osft::ratio_pattern`: "layers.0=0.3120, layers.1=0.1880".
  std::string ratio_pattern(const RetentionOptions& options = {}) const {
    std::string text;
    for (std::size_t l = 0; l < importance.size(); ++l) {
      text +=
          fmt::format("{}{}.{}={:.4f}", l > 0 ? ", " : "", layers, l, 1.0 - retention(l, options));
    }
    return text;
  }
};

namespace detail {

/// A gate that does what another does and compares each layer's input with its output.
template <class Gate>
class LayerWatch : public Forwarding<const Gate&> {
 public:
  using Forwarding<const Gate&>::Forwarding;

  /// x, y [n, d]: called by the decoder after each layer.
  void after_layer(int layer, const Tensor& x, const Tensor& y) const {
    const auto index = static_cast<std::size_t>(layer);
    if (sums.size() <= index) sums.resize(index + 1, 0.0);
    const Tensor a = x.detach().to(at::kDouble), b = y.detach().to(at::kDouble);
    const Tensor dot = (a * b).sum(-1), norms = (a * a).sum(-1) * (b * b).sum(-1);
    sums[index] += (dot / norms.sqrt().clamp_min(1e-300)).sum().item<double>();
    if constexpr (WatchesLayers<Gate>) this->gate().after_layer(layer, x, y);
  }

  mutable std::vector<double> sums{};
};

/// The component of names that stands before a layer's number.
inline std::string layer_component(const Layout& layout) {
  for (const SiteSpec& site : layout.sites) {
    std::string_view rest = site.parts.front().name, before;
    while (!rest.empty()) {
      const std::size_t dot = rest.find('.');
      const std::string_view component = rest.substr(0, dot);
      const bool number =
          std::ranges::all_of(component, [](char c) { return c >= '0' && c <= '9'; });
      if (number && !component.empty() && !before.empty()) return std::string(before);
      before = component;
      rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    }
  }
  fail("layer_importance: the model's names have no numbered layers");
}

}  // namespace detail

/// Runs the model over the batches through `gate`, without a graph. A soft prompt's rows count, as
/// those of any other token.
template <class Model, class Gate>
LayerImportance layer_importance(const Model& model, const Gate& gate,
                                 const std::vector<TokenBatch>& batches) {
  at::NoGradGuard no_grad;
  const detail::LayerWatch<Gate> watch(gate);
  std::int64_t tokens = 0;
  for (const TokenBatch& host_batch : batches) {
    const TokenBatch batch = prepared(gate, host_batch).to(model.device());
    model.hidden(watch, batch);
    tokens += batch.tokens();
  }
  if (tokens == 0 || watch.sums.empty()) {
    fail("layer_importance: expected calibration batches with tokens and a decoder with layers");
  }
  LayerImportance result{detail::layer_component(model.layout()), watch.sums, {}};
  double mean = 0.0;
  for (double& cosine : result.cosine) {
    cosine /= static_cast<double>(tokens);
    mean += cosine / static_cast<double>(result.cosine.size());
  }
  if (!(mean > 0.0)) {
    raise("layer_importance: the mean cosine of inputs and outputs is {}, which orders nothing",
          mean);
  }
  for (const double cosine : result.cosine) result.importance.push_back(cosine / mean);
  return result;
}

}  // namespace posttrain
