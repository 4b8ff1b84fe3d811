// SPDX-License-Identifier: Apache-2.0
// Orthogonal subspace fine-tuning (arXiv 2504.07097): matrices learn in the complement of their
// leading singular subspaces, which hold what the model knows.
//
//   W = W₀ + U C Vᵀ      U, V: complements of the leading left and right singular vectors of W₀
//
//   Osft{.unfreeze_rank_ratio = 0.25}
//   Osft{.target_patterns = "q_proj, v_proj", .ratio_pattern = "layers.0-3=0.1"}
//
// Only C [rows − k, in − k] trains; it starts at 0. Training Hub (mini_trainer) and PEFT train
// factors U_l, S_l, V_l and project their gradients, so that Adam's and weight decay's steps leave
// the complement; this form reaches the same matrices, and no step of any optimizer can leave it.
// C has (1 − k/rows)(1 − k/in) of the matrix's elements, moments included. `projection` chooses
// wider sets of changes (params/osft/subspace.hpp), exact in the same way.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/params/osft/state.hpp"
#include "posttrain/params/weights/pattern_check.hpp"
#include "posttrain/storage/dense.hpp"

namespace posttrain {

namespace detail {

/// A number from 0 to 1 in decimals ("0.25"); nothing otherwise.
constexpr std::optional<double> to_ratio(std::string_view text) {
  double value = 0.0, place = 0.0;
  int digits = 0;
  for (const char c : text) {
    if (c == '.' && place == 0.0) {
      place = 1.0;
    } else if (c >= '0' && c <= '9') {
      digits += 1;
      value = value * 10.0 + (c - '0');
      place *= 10.0;
    } else {
      return std::nullopt;
    }
  }
  if (place > 0.0) value /= place;
  if (digits == 0 || value > 1.0) return std::nullopt;
  return value;
}

}  // namespace detail

template <class Storage = Dense>
struct BasicOsft {
  using State = OsftState<Storage>;
  static constexpr bool has_reference = true;

  double unfreeze_rank_ratio = 0.25;             // share of the directions that trains
  LiteralString target_patterns = "all-linear";  // matrices; all-linear: all but the LM head
  LiteralString ratio_pattern = "";              // ratios of their own: "down_proj=0.5, layers.0=0"
  OsftProjection projection = OsftProjection::both_sides;  // of changes
  LiteralString train = "";      // tensors that train as a whole, targets or not ("norm")
  bool keep_base = true;         // W₀: exact resuming, and a reference
  LiteralString cache_dir = "";  // keeps subspaces from run to run, by the matrix's content
  Storage storage{};             // of what is frozen

  constexpr void validate() const {
    if (!(unfreeze_rank_ratio >= 0.0 && unfreeze_rank_ratio <= 1.0)) {
      fail("posttrain: Osft.unfreeze_rank_ratio must be in [0, 1]");
    }
    if (target_patterns.view().empty()) {
      fail("posttrain: Osft.target_patterns must name something");
    }
    for (std::string_view rest = ratio_pattern.view(); !rest.empty();) {
      std::string_view entry = detail::take_until(rest, ',');
      detail::take_until(entry, '=');
      if (!detail::to_ratio(detail::trimmed(entry))) {
        fail("posttrain: Osft.ratio_pattern must be entries pattern=ratio, a ratio in [0, 1]");
      }
    }
    storage.validate();
  }

  /// The share of this matrix's directions that trains; none: it is no target.
  std::optional<double> ratio(std::string_view name, bool head) const {
    return ratio(name, head, unfreeze_rank_ratio);
  }
  std::optional<double> ratio(std::string_view name, bool head, double common) const {
    const bool target =
        target_patterns.view() == "all-linear" ? !head : matches_any(target_patterns.view(), name);
    if (!target) return std::nullopt;
    if (const auto own = value_for(ratio_pattern.view(), name)) return detail::to_ratio(*own);
    return common;
  }

  /// `ranks` find the subspaces together. `inputs`: see OsftPlan (params/osft_on_inputs.hpp passes
  /// it).
  State attach(const auto& model, const std::shared_ptr<Communicator>& ranks = nullptr,
               std::function<Tensor(int)> inputs = {}) const {
    validate();
    const WeightSource source = WeightSource::of(model);
    check_patterns(source.layout);
    // The state may outlive this object: it gets a copy.
    return State(
        source, storage,
        {[policy = *this](std::string_view name, bool head, double common) {
           return policy.ratio(name, head, common);
         },
         unfreeze_rank_ratio, projection,
         [policy = *this](std::string_view name) { return matches_any(policy.train.view(), name); },
         keep_base, cache_dir.str(), std::move(inputs), ranks});
  }

 private:
  /// A misspelt pattern is no option that is ignored.
  void check_patterns(const Layout& layout) const {
    const std::vector<std::string> matrices = detail::matrix_names(layout);
    if (target_patterns.view() != "all-linear") {
      detail::check_patterns("Osft.target_patterns", target_patterns.view(), matrices);
    }
    detail::check_tensor_patterns("Osft.train", train.view(), layout);
    std::vector<std::string> targets;
    for (const SiteSpec& site : layout.sites) {
      for (const MatrixSpec& part : site.parts) {
        const std::string name = part.name + ".weight";
        if (ratio(name, site.head)) targets.push_back(name);
      }
    }
    detail::check_patterns("Osft.ratio_pattern", ratio_pattern.view(), targets, "of the targets");
  }
};

using Osft = BasicOsft<>;

#ifdef POSTTRAIN_COMPILED
extern template class ModelWeights<Dense>;
extern template class OsftState<Dense>;
#endif

}  // namespace posttrain
