// SPDX-License-Identifier: Apache-2.0
// The state of orthogonal subspace fine-tuning (osft.hpp): the gate, its cores, its reference.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/params/osft/base.hpp"
#include "posttrain/params/osft/site.hpp"
#include "posttrain/params/weights/model_weights.hpp"

namespace posttrain {

/// A policy's decisions, by name of the matrix ("….weight").
struct OsftPlan {
  /// The share of its directions that trains, given the common one; none: no target.
  std::function<std::optional<double>(std::string_view name, bool head, double common)> ratio;
  double unfreeze_rank_ratio = 0.25;  // the common one
  OsftProjection projection = OsftProjection::both_sides;
  TensorSelection trained{};  // as a whole, without a subspace
  bool keep_base = true;
  std::string cache_dir{};
  /// E[x xᵀ] [in, in] of what a site reads, where directions are weighted by it; empty: not.
  std::function<Tensor(int site)> inputs{};
  std::shared_ptr<Communicator> ranks{};  // find subspaces together, by `attach` and `begin_task`
};

/// How a task differs from the policy's fields.
struct OsftTaskOptions {
  std::optional<double> unfreeze_rank_ratio{};  // in the place of the policy's
  bool keep_protected = false;  // goes on protecting all that earlier tasks protected
  bool record_angles = true;    // takes a decomposition of a side's protected basis per matrix
};

/// A task's protected directions, and how far they turned from those of the task before it.
struct OsftTask {
  struct Target {
    std::string name;                 // of the matrix
    std::int64_t rank = 0;            // protected directions
    std::vector<double> left, right;  // principal angles (params/osft/principal_angles.hpp)
  };
  std::string name;
  std::vector<Target> targets;
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
  std::uint64_t weights_version() const { return weights_.weights_version(); }

  /// Every tensor of the checkpoint, in its shape there.
  std::vector<NamedTensor> weights() const;
  /// The cores' as "<matrix>.core" (and "<matrix>.cross", see OsftProjection).
  std::vector<NamedTensor> gradients() const;
  /// The bases that the cores stand in: with them a checkpoint means the same anywhere.
  std::vector<NamedTensor> checkpoint_tensors() const;

  /// Lets a file's content in: visits every target and every tensor of the checkpoint (live where
  /// it trains as a whole), then publishes.
  template <class VisitTarget, class VisitWeight>
  void restore(const VisitTarget& visit_target, const VisitWeight& visit_weight) {
    at::NoGradGuard no_grad;
    for (const auto& site : sites_) {
      if (!site) continue;
      for (OsftTarget& target : site->targets) visit_target(target);
    }
    for (NamedTensor& weight : weights_.weights()) visit_weight(weight);
    publish();
  }

  // --- tasks in sequence -----------------------------------------------------------------------
  /// The model as it is now becomes the base (in the model's dtype, as in a saved folder), its
  /// subspaces are computed anew, and all cores are 0 again; so `reference()` is from now on the
  /// model as it was at this call. A stored matrix keeps its codes, and what the task learnt stands
  /// beside them. What `trainable()` lists is laid out anew: the optimizer must be attached again.
  const OsftTask& begin_task(const std::string& name, const OsftTaskOptions& options = {});
  /// Tasks begun by `begin_task`, in order.
  const std::vector<OsftTask>& tasks() const { return tasks_; }

  at::ScalarType dtype() const { return weights_.dtype(); }
  OsftProjection projection() const { return plan_.projection; }

  // --- for reports -----------------------------------------------------------------------------
  std::vector<const OsftTarget*> targets() const;
  /// W₀ [rows, in]; dequantised where it is stored.
  Tensor base(const OsftTarget& target) const;
  /// ΔW [rows, in], whatever the model computes in.
  static Tensor update(const OsftTarget& target) {
    at::NoGradGuard no_grad;
    return target.update();
  }
  /// Memory of all weights: the model's, W₀ where it is kept, bases and cores; no gradients.
  std::int64_t bytes() const;

 private:
  using Protected = std::map<std::string, OsftComplements>;  // by matrix

  /// Computes subspaces and lays out cores. `earlier`: what must stay protected.
  void lay_out(double common_ratio, const Protected* earlier);
  /// A target whose subspaces are yet to be found.
  struct Pending {
    OsftTarget* target;
    std::int64_t rank;  // directions to protect
  };
  std::vector<Pending> add_targets(int site, double common_ratio, const Protected* earlier);
  void find_subspaces(const std::vector<Pending>& pending, const Protected* earlier) const;
  /// Complements as ranks tell them each other: of each side k and the number of its tensors, and
  /// these.
  static Tensors told(const OsftComplements& complements);
  OsftComplements heard(const Tensors& all, const OsftTarget& target) const;
  OsftComplements complements_of(const OsftTarget& target, std::int64_t rank,
                                 const Protected* earlier) const;
  void bind_weights();

  OsftPlan plan_;

  ModelWeights<Storage> weights_;
  std::shared_ptr<const OsftBase<Storage>> base_;          // if it is kept
  std::vector<std::shared_ptr<OsftSite<Storage>>> sites_;  // null: no target in it
  std::shared_ptr<Workspace> scratch_ = std::make_shared<Workspace>();
  std::vector<ParameterGroup> groups_;
  std::vector<OsftTask> tasks_;
};

}  // namespace posttrain

#include "posttrain/params/osft/impl/state.hpp"
