// SPDX-License-Identifier: Apache-2.0
// The change that orthogonal subspace fine-tuning made, as a small folder beside the base.
//
//   save(trainer, "delta", "path/of/the/base");
//   Trainer trainer(model, NextToken{}, From<Osft>{.folder = "delta"}, …);   // the tuned model
//
// osft_delta.json names the matrices, their ranks and the content of each W₀; another base is
// refused. osft_delta.safetensors holds every ΔW in the model's dtype, as factors or as the matrix,
// whichever is smaller: for a share ρ that trains of a matrix, both_sides takes
// ρ (rows + in) min(rows, in) numbers. No basis is stored: ΔW means the same in every basis, and
// loading computes the subspaces from W₀ again and reads C = Uᵀ ΔW V off. Tensors that train as a
// whole are stored as they are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/io/model_card.hpp"
#include "posttrain/params/from.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

/// The content of a delta folder.
struct OsftDelta {
  struct Matrix {
    std::string name{};
    std::int64_t rank = 0, rows = 0, in = 0;
    std::string base{};     // content of W₀
    MatrixChange change{};  // ΔW
  };
  std::string base_model{};
  OsftProjection projection = OsftProjection::both_sides;
  std::vector<Matrix> matrices{};
  std::vector<NamedTensor> others{};  // trained as a whole
};

/// ΔW of a target in `type`, in the smaller form.
OsftDelta::Matrix delta_of(const OsftTarget& target, const Tensor& base, at::ScalarType type);
/// Sets the cores; raises where the base is another one, or its subspaces do not hold the change.
void restore_delta(OsftTarget& target, const OsftDelta::Matrix& matrix, const Tensor& base,
                   const std::string& folder);

void write_osft_delta(const std::string& folder, const OsftDelta& delta, const io::ModelCard& card);
OsftDelta read_osft_delta(const std::string& folder);

}  // namespace detail

/// Writes the change since the base, or since the last `begin_task`, whose model is then the base;
/// `base_model` is a note of where it lies, `card` the README.md (`save` of a Trainer has one). The
/// folder appears complete or not at all.
template <class Storage>
void save(const OsftState<Storage>& state, const std::string& folder,
          const std::string& base_model = "", const io::ModelCard& card = {}) {
  at::NoGradGuard no_grad;
  detail::OsftDelta delta{base_model, state.projection(), {}, {}};
  std::map<std::string, bool> whole;
  for (const NamedTensor& gradient : state.gradients()) whole[gradient.name] = true;
  for (const OsftTarget* target : state.targets()) {
    delta.matrices.push_back(detail::delta_of(*target, state.base(*target), state.dtype()));
  }
  for (const NamedTensor& weight : state.weights()) {
    if (whole.contains(weight.name)) delta.others.push_back(weight);
  }
  detail::write_osft_delta(folder, delta, card);
}

/// The tuned model of a delta folder on its base: goes on training, and has the base as reference.
template <class Storage>
struct From<BasicOsft<Storage>> {
  using State = OsftState<Storage>;
  static constexpr bool has_reference = true;

  LiteralString folder = "";
  LiteralString cache_dir = "";  // as in Osft
  Storage storage{};             // that of the run that was saved

  constexpr void validate() const {
    if (folder.view().empty()) fail("posttrain: From<Osft>.folder must name a delta's folder");
    storage.validate();
  }

  State attach(const auto& model) const {
    validate();
    const detail::OsftDelta delta = detail::read_osft_delta(folder.str());
    std::map<std::string, double> ratios;
    std::map<std::string, Tensor> others;
    for (const auto& matrix : delta.matrices) {
      const auto shorter = static_cast<double>(std::min(matrix.rows, matrix.in));
      ratios[matrix.name + ".weight"] = 1.0 - static_cast<double>(matrix.rank) / shorter;
    }
    for (const NamedTensor& other : delta.others) others[other.name] = other.value;
    OsftPlan plan;
    plan.ratio = [ratios](std::string_view name, bool, double) -> std::optional<double> {
      const auto found = ratios.find(std::string(name));
      return found == ratios.end() ? std::nullopt : std::optional(found->second);
    };
    plan.projection = delta.projection;
    plan.trained = [others](std::string_view name) { return others.contains(std::string(name)); };
    plan.cache_dir = cache_dir.str();
    State state(WeightSource::of(model), storage, plan);
    state.restore(
        [&](OsftTarget& target) {
          for (const auto& matrix : delta.matrices) {
            if (matrix.name != target.name) continue;
            detail::restore_delta(target, matrix, state.base(target), folder.str());
            ratios.erase(target.name + ".weight");
          }
        },
        [&](NamedTensor& weight) {
          const auto found = others.find(weight.name);
          if (found == others.end()) return;
          if (found->second.sizes() != weight.value.sizes()) {
            raise(
                "{}: tensor '{}': expected shape {}, found {}; hint: does the delta belong to "
                "this model?",
                folder.view(), weight.name, shape_text(weight.value), shape_text(found->second));
          }
          weight.value.copy_(found->second);
          others.erase(found);
        });
    if (!ratios.empty() || !others.empty()) {
      raise("{}: the model has no '{}'; hint: does the delta belong to this model?", folder.view(),
            ratios.empty() ? others.begin()->first : ratios.begin()->first);
    }
    return state;
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft/impl/files.ipp"
#endif
