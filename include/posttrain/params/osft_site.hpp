// SPDX-License-Identifier: Apache-2.0
// One site under orthogonal subspace fine-tuning: its product in the graph, the gradients of its
// cores, its weights after an update.
//
// A dense matrix is kept as the current W₀ + U C Vᵀ, so that the product of a site stays one. A
// stored one keeps its codes, and U C Vᵀ is a product of its own beside it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/params/osft_subspace.hpp"
#include "posttrain/params/site_weights.hpp"

namespace posttrain {

/// A matrix of the checkpoint that trains in the complements of its leading singular vectors.
struct OsftTarget {
  std::string name{};  // without ".weight"
  int site = 0;
  int part = 0;
  std::int64_t row = 0;  // in the site
  std::int64_t rows = 0;
  std::int64_t in = 0;
  OsftComplements complements{};
  ParameterView core{};  // C [rows − rank, in − rank]
  Tensor weight{};       // dense: [rows, in], a view of what the model computes with
  Tensor base{};         // dense and kept: W₀
  Tensor published{};    // dense and not kept: the C that `weight` holds

  std::int64_t rank() const { return complements.left.k(); }
  /// U C Vᵀ [rows, in] in the dtype of `core`.
  Tensor update(const Tensor& c) const {
    return complements.left.expand_columns(complements.right.expand_rows(c));
  }

  /// Brings `weight` to the present core.
  void publish() {
    if (!weight.defined()) return;
    if (base.defined()) {
      at::add_out(weight, base, update(core.master));  // one rounding
    } else {
      weight.add_(update(core.master - published));
      published.copy_(core.master);
    }
  }
};

template <class Storage>
class OsftSite : public std::enable_shared_from_this<OsftSite<Storage>> {
 public:
  OsftSite(std::shared_ptr<const SiteWeights<Storage>> weights, std::shared_ptr<Workspace> scratch)
      : weights_(std::move(weights)), scratch_(std::move(scratch)) {}

  std::vector<OsftTarget> targets;

  /// x Wᵀ + b in the graph: x [n, in] → [n, rows].
  Tensor linear(const Tensor& x) const {
    const bool needs_input_gradient = x.requires_grad();
    Tensor y = product(x);
    return differentiable(
        y, {x, weights_->anchor()},
        [site = this->shared_from_this(), x = x.detach(),
         needs_input_gradient](const Tensor& dy) -> Tensors {
          site->weights_->accumulate(dy, x);
          for (const OsftTarget& target : site->targets) site->accumulate(target, dy, x);
          return {needs_input_gradient ? site->input_gradient(dy) : Tensor(), Tensor()};
        });
  }

 private:
  Tensor product(const Tensor& x) const {
    at::NoGradGuard no_grad;
    Tensor y = weights_->product(x);
    for (const OsftTarget& target : targets) {
      if (target.weight.defined()) continue;
      const auto& [left, right] = target.complements;
      const Tensor core = target.core.master.to(x.scalar_type());
      y.narrow(1, target.row, target.rows)
          .add_(left.expand_rows(matmul_nt(right.project_rows(x), core)));
    }
    weights_->add_bias(y);
    return y;
  }

  Tensor input_gradient(const Tensor& dy) const {
    Tensor dx = weights_->input_gradient(dy);
    for (const OsftTarget& target : targets) {
      if (target.weight.defined()) continue;
      const auto& [left, right] = target.complements;
      const Tensor core = target.core.master.to(dy.scalar_type());
      const Tensor d = dy.narrow(1, target.row, target.rows);
      dx.add_(right.expand_rows(matmul_nn(left.project_rows(d), core)));
    }
    return dx;
  }

  /// Adds Uᵀ dyᵀ x V, in the cheaper of its two orders.
  void accumulate(const OsftTarget& target, const Tensor& site_dy, const Tensor& x) const {
    const auto& [left, right] = target.complements;
    const Tensor dy = site_dy.narrow(1, target.row, target.rows);
    const Tensor& core = target.core.grad;
    const auto tokens = static_cast<double>(x.size(0));
    const double tokens_first = tokens * static_cast<double>(target.rows * target.in) +
                                static_cast<double>(target.in) * left.cost() +
                                static_cast<double>(core.size(0)) * right.cost();
    const double complements_first =
        tokens * (left.cost() + right.cost() + static_cast<double>(core.numel()));
    if (complements_first <= tokens_first) {
      accumulate_tn(core, left.project_rows(dy), right.project_rows(x));
      return;
    }
    const Tensor dense = scratch_->matrix(target.rows, target.in, core.options()).zero_();
    accumulate_tn(dense, dy, x);
    core.add_(right.project_rows(left.project_columns(dense)));
  }

  std::shared_ptr<const SiteWeights<Storage>> weights_;
  std::shared_ptr<Workspace> scratch_;
};

}  // namespace posttrain
