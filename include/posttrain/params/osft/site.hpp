// SPDX-License-Identifier: Apache-2.0
// One site under orthogonal subspace fine-tuning: its product in the graph, the gradients of its
// cores, its weights after an update.
//
// A change of a matrix is a sum of terms L C Rᵀ (params/osft/subspace.hpp). A dense matrix is kept
// as the current W₀ + ΔW, so that the product of a site stays one. A stored one keeps its codes,
// and the terms are products of their own beside it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/params/weights/matrix_change.hpp"
#include "posttrain/params/weights/site_weights.hpp"

namespace posttrain {

/// A term L C Rᵀ of a matrix's change, of which C trains.
struct OsftCore {
  std::string name{};  // after the matrix's: "core", "cross"
  Complement left{}, right{};
  ParameterView values{};  // C [left.size(), right.size()]
  Tensor published{};      // dense and W₀ not kept: the C that the weight holds

  Tensor product(const Tensor& c) const { return left.expand_columns(right.expand_rows(c)); }
};

/// A matrix of the checkpoint that trains beside its leading singular vectors.
struct OsftTarget {
  std::string name{};  // without ".weight"
  int site = 0;
  int part = 0;
  std::int64_t row = 0;  // in the site
  std::int64_t rows = 0;
  std::int64_t in = 0;
  OsftComplements complements{};  // of what is protected; k = 0 on a side where nothing is
  std::vector<OsftCore> cores{};
  Tensor weight{};  // dense: [rows, in], a view of what the model computes with
  Tensor base{};    // dense and kept: W₀

  /// How many directions are protected.
  std::int64_t rank() const { return std::max(complements.left.k(), complements.right.k()); }
  /// ΔW [rows, in] in the masters' dtype.
  Tensor update() const {
    Tensor sum = cores[0].product(cores[0].values.master);
    // A product by identities is the core itself.
    if (sum.is_same(cores[0].values.master)) sum = sum.clone();
    for (std::size_t i = 1; i < cores.size(); ++i) {
      sum.add_(cores[i].product(cores[i].values.master));
    }
    return sum;
  }
  /// ΔW apart from the cores, in its smaller form, in the masters' dtype.
  MatrixChange change() const {
    std::int64_t factored = 0;
    for (const OsftCore& core : cores) {
      factored += std::min(core.left.size(), core.right.size()) * (rows + in);
    }
    if (factored >= rows * in) return {update(), {}};
    MatrixChange sum;
    for (const OsftCore& core : cores) {
      const Tensor& c = core.values.master;
      if (core.left.size() < core.right.size()) {
        const Tensor left = core.left.expand_columns(at::eye(core.left.size(), c.options()));
        sum = sum.plus({left, core.right.expand_rows(c)});
      } else {
        const Tensor right = core.right.expand_rows(at::eye(core.right.size(), c.options()));
        sum = sum.plus({core.left.expand_columns(c), right});
      }
    }
    return sum;
  }
  /// The live tensors of all bases, each once, as "<matrix>.left.basis" and so on.
  std::vector<NamedTensor> bases() const;

  /// Brings `weight` to the present cores.
  void publish() {
    if (!weight.defined()) return;
    if (base.defined()) {
      at::add_out(weight, base, update());  // one rounding
      return;
    }
    for (OsftCore& core : cores) {
      weight.add_(core.product(core.values.master - core.published));
      core.published.copy_(core.values.master);
    }
  }
};

inline std::vector<NamedTensor> OsftTarget::bases() const {
  std::vector<NamedTensor> all;
  const auto add = [&](const std::string& prefix, const Complement& complement) {
    for (const NamedTensor& tensor : complement.tensors()) {
      const bool seen = std::ranges::any_of(
          all, [&](const NamedTensor& other) { return other.value.is_same(tensor.value); });
      if (!seen) all.push_back({name + "." + prefix + "." + tensor.name, tensor.value});
    }
  };
  add("left", complements.left);
  add("right", complements.right);
  for (const OsftCore& core : cores) {
    add(core.name + ".left", core.left);
    add(core.name + ".right", core.right);
  }
  return all;
}

template <class Storage>
class OsftSite : public std::enable_shared_from_this<OsftSite<Storage>> {
 public:
  OsftSite(std::shared_ptr<const SiteWeights<Storage>> weights, std::shared_ptr<Workspace> scratch)
      : weights_(std::move(weights)), scratch_(std::move(scratch)) {}

  std::vector<OsftTarget> targets;

  /// x Wᵀ + b in the graph: x [n, in] → [n, rows].
  Tensor linear(const Tensor& x) const {
    const bool needs_input_gradient = x.requires_grad();
    Tensor y = product(x, at::GradMode::is_enabled());
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
  Tensor product(const Tensor& x, bool recorded) const {
    at::NoGradGuard no_grad;
    Tensor y = weights_->product(x, recorded);
    for (const OsftTarget& target : targets) {
      if (target.weight.defined()) continue;
      Tensor part = y.narrow(1, target.row, target.rows);
      for (const OsftCore& core : target.cores) {
        const Tensor c = core.values.master.to(x.scalar_type());
        part.add_(core.left.expand_rows(matmul_nt(core.right.project_rows(x), c)));
      }
    }
    weights_->add_bias(y);
    return y;
  }

  Tensor input_gradient(const Tensor& dy) const {
    Tensor dx = weights_->input_gradient(dy);
    for (const OsftTarget& target : targets) {
      if (target.weight.defined()) continue;
      const Tensor d = dy.narrow(1, target.row, target.rows);
      for (const OsftCore& core : target.cores) {
        const Tensor c = core.values.master.to(dy.scalar_type());
        dx.add_(core.right.expand_rows(matmul_nn(core.left.project_rows(d), c)));
      }
    }
    return dx;
  }

  /// Adds Lᵀ dyᵀ x R for every core, in the cheaper of the two orders.
  void accumulate(const OsftTarget& target, const Tensor& site_dy, const Tensor& x) const {
    const Tensor dy = site_dy.narrow(1, target.row, target.rows);
    const auto tokens = static_cast<double>(x.size(0));
    double tokens_first = tokens * static_cast<double>(target.rows * target.in);
    double projected_first = 0.0;
    for (const OsftCore& core : target.cores) {
      tokens_first += static_cast<double>(target.in) * core.left.cost() +
                      static_cast<double>(core.left.size()) * core.right.cost();
      projected_first += tokens * (core.left.cost() + core.right.cost() +
                                   static_cast<double>(core.values.grad.numel()));
    }
    if (projected_first <= tokens_first) {
      for (const OsftCore& core : target.cores) {
        accumulate_tn(core.values.grad, core.left.project_rows(dy), core.right.project_rows(x));
      }
      return;
    }
    const at::TensorOptions options = target.cores[0].values.grad.options();
    const Tensor dense = scratch_->matrix(target.rows, target.in, options).zero_();
    accumulate_tn(dense, dy, x);
    for (const OsftCore& core : target.cores) {
      Tensor grad = core.values.grad;
      grad.add_(core.right.project_rows(core.left.project_columns(dense)));
    }
  }

  std::shared_ptr<const SiteWeights<Storage>> weights_;
  std::shared_ptr<Workspace> scratch_;
};

}  // namespace posttrain
