// SPDX-License-Identifier: Apache-2.0
// The adapters of one site: y += s · B A dropout(x) on each adapted part, with DoRA's rescaling.
//
// The A of all parts of a site lie one below another, so that x Aᵀ is one product (q, k, v; gate,
// up). Gradients: dB = s · dyᵀ (x Aᵀ), dA = (dy s B)ᵀ x; the frozen matrix gets none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/nn/dropout.hpp"
#include "posttrain/params/weights/site_weights.hpp"

namespace posttrain {

/// The adapter of one part.
struct PartAdapter {
  int part = 0;
  std::int64_t row = 0;    // of the site
  std::int64_t rows = 0;   // out
  std::int64_t first = 0;  // row of the stacked A
  std::int64_t rank = 0;
  double scale = 1.0;         // s
  ParameterView b{};          // [rows, rank]
  ParameterView magnitude{};  // [rows]; undefined: no DoRA
  Tensor norm{};              // DoRA: ‖W + s B A‖ by rows, fp32; no gradient goes through it
};

template <class Storage>
class SiteAdapters {
 public:
  SiteAdapters(std::shared_ptr<const SiteWeights<Storage>> base, int site)
      : base_(std::move(base)), site_(site) {}

  ParameterView a{};  // [sum of ranks, in]
  std::vector<PartAdapter> parts;

  int site() const { return site_; }

  /// The site's output in the graph. `dropout`: nothing, or what to do to x on its way into A.
  Tensor linear(const Tensor& x, const std::optional<KeyedDropout>& dropout) const {
    Saved saved;
    const Tensor y = forward(x.detach(), dropout, saved, at::GradMode::is_enabled());
    const bool needs_input_gradient = x.requires_grad();
    return differentiable(y, {x, base_->anchor()},
                          [adapters = *this, saved = std::move(saved),
                           needs_input_gradient](const Tensor& dy) -> Tensors {
                            return {adapters.backward(dy, saved, needs_input_gradient), Tensor()};
                          });
  }

 private:
  struct Saved {
    Tensor x;               // what A sees
    Tensor input;           // what W sees; undefined unless something of the base is trained
    Tensor h;               // x Aᵀ
    std::vector<Tensor> z;  // DoRA: each part's output before rescaling
    std::optional<KeyedDropout> dropout;
  };

  Tensor forward(const Tensor& x, const std::optional<KeyedDropout>& dropout, Saved& saved,
                 bool recorded) const {
    at::NoGradGuard no_grad;
    saved.dropout = dropout;
    saved.x = dropout ? dropout->apply(x, site_) : x;
    if (base_->trained()) saved.input = x;
    saved.h = matmul_nt(saved.x, a.value);
    Tensor y = base_->product(x, recorded);
    accumulate_nn(y, saved.h, blocks(y.size(1)).t());
    for (const PartAdapter& part : parts) {
      if (!part.magnitude.value.defined()) continue;
      Tensor out = y.narrow(1, part.row, part.rows);
      saved.z.push_back(out.clone());
      out.mul_(rescaling(part));
    }
    base_->add_bias(y);
    return y;
  }

  Tensor backward(const Tensor& upstream, const Saved& saved, bool needs_input_gradient) const {
    if (saved.input.defined()) base_->accumulate(upstream, saved.input);
    Tensor dy = upstream;
    std::size_t rescaled = 0;
    for (const PartAdapter& part : parts) {
      if (!part.magnitude.value.defined()) continue;
      if (dy.is_same(upstream)) dy = upstream.clone();
      Tensor d = dy.narrow(1, part.row, part.rows);
      Tensor grad = part.magnitude.grad;
      const Tensor& z = saved.z[rescaled++];
      grad.add_(at::sum(d * z, {0}, false, grad.scalar_type()) / part.norm);
      d.mul_(rescaling(part));
    }
    accumulate_b(dy, saved.h);
    const Tensor dh = matmul_nn(dy, blocks(dy.size(1)));
    accumulate_tn(a.grad, dh, saved.x);
    if (!needs_input_gradient) return {};
    Tensor dx = base_->input_gradient(dy);
    if (saved.dropout) {
      dx.add_(saved.dropout->apply(matmul_nn(dh, a.value), site_));
    } else {
      accumulate_nn(dx, dh, a.value);
    }
    return dx;
  }

  /// s B of every part at its rows of the site and its columns of x Aᵀ, zeros elsewhere: one
  /// product with the whole, where views of single parts would be copied first.
  Tensor blocks(std::int64_t rows) const {
    const PartAdapter& first = parts.front();
    if (first.rows == rows) return first.scale == 1.0 ? first.b.value : first.b.value * first.scale;
    Tensor all = at::zeros({rows, a.value.size(0)}, a.value.options());
    for (const PartAdapter& part : parts) {
      Tensor block = block_of(part, all);
      block.copy_(part.b.value);
      if (part.scale != 1.0) block.mul_(part.scale);
    }
    return all;
  }

  /// dB += s · dyᵀ (x Aᵀ), of each part its block of the site's product.
  void accumulate_b(const Tensor& dy, const Tensor& h) const {
    const Tensor all = at::zeros({dy.size(1), h.size(1)}, parts.front().b.grad.options());
    accumulate_tn(all, dy, h);
    for (const PartAdapter& part : parts) {
      Tensor grad = part.b.grad;
      grad.add_(block_of(part, all), part.scale);
    }
  }

  static Tensor block_of(const PartAdapter& part, const Tensor& all) {
    return all.narrow(0, part.row, part.rows).narrow(1, part.first, part.rank);
  }

  static Tensor rescaling(const PartAdapter& part) {
    return (part.magnitude.exact() / part.norm).to(part.b.value.scalar_type());
  }

  std::shared_ptr<const SiteWeights<Storage>> base_;
  int site_;
};

}  // namespace posttrain
