// SPDX-License-Identifier: Apache-2.0
// The state of the factored form (params/osft_factored.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/params/full.hpp"
#include "posttrain/params/osft/base.hpp"

namespace posttrain {

/// A matrix in factors: W = u_high s_high v_high + u s v.
struct OsftFactors {
  std::string name{};  // without ".weight"
  bool transposed = false;
  std::int64_t row = 0;  // in the site
  std::int64_t rows = 0;
  Tensor u_high{}, s_high{}, v_high{};  // [rows, k], [k], [k, in], in the masters' dtype
  ParameterView u{}, s{}, v{};          // [rows, l], [l], [l, in]

  /// Takes away what lies in the protected subspaces: du [rows, l], dv [l, in].
  void project(Tensor du, Tensor dv) const;
  /// [rows, in] from the masters.
  Tensor matrix() const;
};

/// How many of min(rows, in) directions mini_trainer protects: a product in floating point, rounded
/// down (1023 of 5120 at a ratio of 0.8), and at most all but one.
std::int64_t osft_reference_rank(std::int64_t shorter, double unfreeze_rank_ratio);

class OsftFactoredState {
 public:
  using TargetSelection = std::function<bool(std::string_view name, bool head)>;

  OsftFactoredState(const WeightSource& source, const TensorSelection& trained,
                    const TargetSelection& targets, double unfreeze_rank_ratio,
                    bool project_parameters);

  Tensor linear(int site, const Tensor& x) const;
  Tensor embed(int table, const Tensor& ids) const { return weights_.embed(table, ids); }
  Tensor vector(int index) const { return weights_.vector(index); }
  const Tensor& anchor() const { return weights_.anchor(); }
  /// The gate of the base: the checkpoint's matrices, not their factors.
  const OsftBase<Dense>& reference() const { return *base_; }

  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// Projects the factors and rounds them into what the model computes with.
  void publish();
  std::uint64_t weights_version() const { return weights_.weights_version(); }

  std::vector<NamedTensor> weights() const;
  /// Gradients of the factors as "<matrix>.u", ".s" and ".v", projected.
  std::vector<NamedTensor> gradients() const;
  std::vector<const OsftFactors*> targets() const;
  /// Memory of the weights and their factors, gradients and masters not counted.
  std::int64_t bytes() const;

 private:
  /// The parts of a site in order: factors, or the rows of a dense matrix.
  struct Piece {
    std::int64_t row = 0;
    std::int64_t rows = 0;
    Tensor dense{};
    OsftFactors factors{};
  };
  struct FactoredSite;

  std::shared_ptr<FactoredSite> factored(const SiteSpec& spec, int index,
                                         const TensorSelection& trained,
                                         const TargetSelection& targets, double ratio) const;

  ModelWeights<Dense> weights_;
  std::shared_ptr<const OsftBase<Dense>> base_;
  std::vector<std::shared_ptr<FactoredSite>> sites_;  // null: no target in it
  std::vector<ParameterGroup> groups_;
  bool project_parameters_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft/impl/factored_state.ipp"
#endif
