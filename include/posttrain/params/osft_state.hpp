// SPDX-License-Identifier: Apache-2.0
// The state of orthogonal subspace fine-tuning (osft.hpp): the gate, its cores, its reference.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/params/model_weights_impl.hpp"
#include "posttrain/params/osft_base.hpp"
#include "posttrain/params/osft_site.hpp"

namespace posttrain {

/// What a policy decides, by name of the matrix ("….weight").
struct OsftPlan {
  /// The share of its directions that trains; none: no target.
  std::function<std::optional<double>(std::string_view name, bool head)> ratio;
  TensorSelection trained;  // as a whole, without a subspace
  bool keep_base = true;
  std::string cache_dir;
};

template <class Storage>
class OsftState {
 public:
  OsftState(const WeightSource& source, const Storage& storage, const OsftPlan& plan);

  // --- the gate --------------------------------------------------------------------------------
  Tensor linear(int site, const Tensor& x) const {
    const auto& own = sites_[static_cast<std::size_t>(site)];
    return own ? own->linear(x) : weights_.linear(site, x);
  }
  Tensor embed(int table, const Tensor& ids) const { return weights_.embed(table, ids); }
  Tensor vector(int index) const { return weights_.vector(index); }
  const Tensor& anchor() const { return weights_.anchor(); }
  /// The gate of the base.
  const OsftBase<Storage>& reference() const;

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish();

  /// Every tensor of the checkpoint, in its shape there.
  std::vector<NamedTensor> weights() const;
  /// The cores' as "<matrix>.core".
  std::vector<NamedTensor> gradients() const;

  // --- for reports -----------------------------------------------------------------------------
  std::vector<const OsftTarget*> targets() const;
  /// U C Vᵀ [rows, in], whatever the model computes in.
  static Tensor update(const OsftTarget& target) {
    at::NoGradGuard no_grad;
    return target.update(target.core.master);
  }
  /// What all weights take: the model's, W₀ where it is kept, and the complements; neither cores
  /// nor gradients.
  std::int64_t bytes() const;

 private:
  void add_targets(int site, const OsftPlan& plan);
  void bind_weights();

  ModelWeights<Storage> weights_;
  std::shared_ptr<const OsftBase<Storage>> base_;          // if it is kept
  std::vector<std::shared_ptr<OsftSite<Storage>>> sites_;  // null: no target in it
  std::shared_ptr<Workspace> scratch_ = std::make_shared<Workspace>();
  std::vector<ParameterGroup> groups_;
};

}  // namespace posttrain

#include "posttrain/params/osft_state_impl.hpp"
