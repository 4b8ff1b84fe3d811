// SPDX-License-Identifier: Apache-2.0
// Definitions of factored_state.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/params/osft/factored_state.hpp"
#include "posttrain/params/weights/site_weights.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

POSTTRAIN_INLINE void OsftFactors::project(Tensor du, Tensor dv) const {
  du.sub_(matmul_nn(u_high, matmul_nn(u_high.t(), du)));
  dv.sub_(matmul_nn(matmul_nt(dv, v_high), v_high));
}

POSTTRAIN_INLINE Tensor OsftFactors::matrix() const {
  return matmul_nn(u_high * s_high, v_high) + matmul_nn(u.master * s.master, v.master);
}

POSTTRAIN_INLINE std::int64_t osft_reference_rank(std::int64_t shorter,
                                                  double unfreeze_rank_ratio) {
  const double rank = std::floor(static_cast<double>(shorter) * (1.0 - unfreeze_rank_ratio));
  return std::min(shorter - 1, static_cast<std::int64_t>(rank));
}

struct OsftFactoredState::FactoredSite : std::enable_shared_from_this<FactoredSite> {
  std::shared_ptr<const SiteWeights<Dense>> weights;
  std::vector<Piece> pieces;

  Tensor linear(const Tensor& x) const {
    const bool needs_input_gradient = x.requires_grad();
    return differentiable(product(x, at::GradMode::is_enabled()), {x, weights->anchor()},
                          [site = this->shared_from_this(), x = x.detach(),
                           needs_input_gradient](const Tensor& dy) -> Tensors {
                            site->weights->accumulate(dy, x);
                            return {site->backward(dy, x, needs_input_gradient), Tensor()};
                          });
  }

  Tensor product(const Tensor& x, bool recorded) const {
    at::NoGradGuard no_grad;
    const at::ScalarType type = x.scalar_type();
    Tensor y = at::empty({x.size(0), weights->rows()}, x.options());
    for (const auto& [row, rows, dense, f] : pieces) {
      Tensor out = y.narrow(1, row, rows);
      if (dense.defined()) {
        out.copy_(recorded ? matmul_nt(x, dense) : matmul_kept(x, dense));
        continue;
      }
      out.copy_(matmul_nt(matmul_nt(x, f.v_high.to(type)) * f.s_high.to(type), f.u_high.to(type)));
      out.add_(matmul_nt(matmul_nt(x, f.v.value) * f.s.value, f.u.value));
    }
    weights->add_bias(y);
    return y;
  }

  Tensor backward(const Tensor& dy, const Tensor& x, bool needs_input_gradient) const {
    const at::ScalarType type = x.scalar_type();
    Tensor dx = needs_input_gradient ? at::zeros_like(x) : Tensor();
    for (const auto& [row, rows, dense, f] : pieces) {
      const Tensor d = dy.narrow(1, row, rows);
      if (dense.defined()) {
        if (dx.defined()) dx.add_(matmul_nn(d, dense));
        continue;
      }
      const Tensor in = matmul_nt(x, f.v.value), out = matmul_nn(d, f.u.value);  // [n, l]
      const Tensor scaled = out * f.s.value;
      Tensor du = at::zeros_like(f.u.grad), dv = at::zeros_like(f.v.grad);
      accumulate_tn(du, d, in * f.s.value);
      accumulate_tn(dv, scaled, x);
      f.project(du, dv);
      Tensor(f.u.grad).add_(du);
      Tensor(f.v.grad).add_(dv);
      Tensor(f.s.grad).add_(at::sum(out * in, {0}, false, f.s.grad.scalar_type()));
      if (!dx.defined()) continue;
      dx.add_(matmul_nn(scaled, f.v.value));
      const Tensor high = matmul_nn(d, f.u_high.to(type)) * f.s_high.to(type);
      dx.add_(matmul_nn(high, f.v_high.to(type)));
    }
    return dx;
  }
};

POSTTRAIN_INLINE OsftFactoredState::OsftFactoredState(const WeightSource& source,
                                                      const TensorSelection& trained,
                                                      const TargetSelection& targets,
                                                      double unfreeze_rank_ratio,
                                                      bool project_parameters)
    : weights_(source, Dense{}, trained),
      groups_(weights_.trainable()),
      project_parameters_(project_parameters) {
  at::NoGradGuard no_grad;
  const auto sites = static_cast<int>(source.layout.sites.size());
  base_ = std::make_shared<const OsftBase<Dense>>(
      weights_, std::vector<bool>(source.layout.sites.size(), false));
  ParameterBuffer buffer;
  std::vector<int> places;
  std::vector<Tensor> starts;
  std::vector<OsftFactors*> all;
  for (int i = 0; i < sites; ++i) {
    sites_.push_back(factored(source.layout.sites[static_cast<std::size_t>(i)], i, trained, targets,
                              unfreeze_rank_ratio));
    if (!sites_.back()) continue;
    for (Piece& piece : sites_.back()->pieces) {
      if (piece.dense.defined()) continue;
      all.push_back(&piece.factors);
      for (ParameterView* view : {&piece.factors.u, &piece.factors.s, &piece.factors.v}) {
        places.push_back(buffer.add(view->value.sizes().vec()));
        starts.push_back(view->value);
      }
    }
  }
  if (all.empty()) fail("OsftFactored.target_patterns selects no matrix of the model");
  groups_.push_back(buffer.allocate("factors", source.dtype, source.device, true));
  std::size_t next = 0;
  for (OsftFactors* factors : all) {
    for (ParameterView* view : {&factors->u, &factors->s, &factors->v}) {
      *view = buffer.view(places[next]);
      view->master.copy_(starts[next]);
      view->value.copy_(starts[next]);
      next += 1;
    }
  }
}

POSTTRAIN_INLINE auto OsftFactoredState::factored(const SiteSpec& spec, int index,
                                                  const TensorSelection& trained,
                                                  const TargetSelection& targets,
                                                  double ratio) const
    -> std::shared_ptr<FactoredSite> {
  auto site = std::make_shared<FactoredSite>();
  site->weights = weights_.shared_site(index);
  bool any = false;
  std::int64_t row = 0;
  for (int i = 0; i < static_cast<int>(spec.parts.size()); ++i) {
    const MatrixSpec& part = spec.parts[static_cast<std::size_t>(i)];
    const std::string name = part.name + ".weight";
    Piece piece{row, part.rows};
    if (!trained(name) && spec.shares < 0 && targets(name, spec.head)) {
      const auto [u, s, columns] = weights_.part(index, i).svd();
      const Tensor v = columns.t();
      const std::int64_t shorter = s.size(0);
      const std::int64_t high = osft_reference_rank(shorter, ratio), low = shorter - high;
      piece.factors = {part.name, part.transposed, row, part.rows};
      piece.factors.u_high = u.narrow(1, 0, high).contiguous();
      piece.factors.s_high = s.narrow(0, 0, high).contiguous();
      piece.factors.v_high = v.narrow(0, 0, high).contiguous();
      piece.factors.u.value = u.narrow(1, high, low);
      piece.factors.s.value = s.narrow(0, high, low);
      piece.factors.v.value = v.narrow(0, high, low);
      any = true;
    } else {
      for (const auto& block : site->weights->blocks) {
        if (block.row <= row && row < block.row + block.rows) {
          piece.dense = block.dense.value.narrow(0, row - block.row, part.rows);
        }
      }
    }
    site->pieces.push_back(std::move(piece));
    row += part.rows;
  }
  return any ? site : nullptr;
}

POSTTRAIN_INLINE Tensor OsftFactoredState::linear(int site, const Tensor& x) const {
  const auto& own = sites_[static_cast<std::size_t>(site)];
  return own ? own->linear(x) : weights_.linear(site, x);
}

POSTTRAIN_INLINE void OsftFactoredState::publish() {
  at::NoGradGuard no_grad;
  weights_.publish();
  if (project_parameters_) {
    for (const OsftFactors* factors : targets()) {
      factors->project(factors->u.master, factors->v.master);
    }
  }
  ParameterGroup& factors = groups_.back();
  if (!factors.value.is_same(factors.master)) factors.value.copy_(factors.master);
}

POSTTRAIN_INLINE std::vector<NamedTensor> OsftFactoredState::weights() const {
  at::NoGradGuard no_grad;
  std::map<std::string, const OsftFactors*> changed;
  for (const OsftFactors* target : targets()) changed[target->name + ".weight"] = target;
  std::vector<NamedTensor> all = weights_.weights();
  for (NamedTensor& tensor : all) {
    const auto found = changed.find(tensor.name);
    if (found == changed.end()) continue;
    const Tensor w = found->second->matrix();
    tensor.value = found->second->transposed ? w.t() : w;
  }
  return all;
}

POSTTRAIN_INLINE std::vector<NamedTensor> OsftFactoredState::gradients() const {
  std::vector<NamedTensor> all = weights_.gradients();
  for (const OsftFactors* target : targets()) {
    all.push_back({target->name + ".u", target->u.grad});
    all.push_back({target->name + ".s", target->s.grad});
    all.push_back({target->name + ".v", target->v.grad});
  }
  return all;
}

POSTTRAIN_INLINE std::int64_t OsftFactoredState::bytes() const {
  std::int64_t total = weights_.bytes();
  for (const OsftFactors* f : targets()) {
    for (const Tensor& t : {f->u_high, f->s_high, f->v_high, f->u.value, f->s.value, f->v.value}) {
      total += static_cast<std::int64_t>(t.nbytes());
    }
  }
  return total;
}

POSTTRAIN_INLINE std::vector<const OsftFactors*> OsftFactoredState::targets() const {
  std::vector<const OsftFactors*> all;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const Piece& piece : site->pieces) {
      if (!piece.dense.defined()) all.push_back(&piece.factors);
    }
  }
  return all;
}

}  // namespace posttrain
