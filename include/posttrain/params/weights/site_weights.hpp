// SPDX-License-Identifier: Apache-2.0
// The weights of one site (concepts/layout.hpp): products with them, and gradients of those that
// train.
//
// Parameter policies compose them: an adapter adds its own products to `product` and
// `input_gradient`; a policy without any uses `linear`.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/layout.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/nn/packed_matrices.hpp"
#include "posttrain/params/weights/matrix_change.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

/// Memory that dequantised matrices share: one at a time is in use.
class Workspace {
 public:
  Tensor matrix(std::int64_t rows, std::int64_t columns, const at::TensorOptions& options) {
    if (!flat_.defined() || flat_.numel() < rows * columns) {
      flat_ = at::empty({rows * columns}, options);
    }
    return flat_.narrow(0, 0, rows * columns).view({rows, columns});
  }

 private:
  Tensor flat_;
};

template <class Storage>
class SiteWeights : public std::enable_shared_from_this<SiteWeights<Storage>> {
 public:
  /// Consecutive rows that are alike: one dense tensor, or stored matrices one below another.
  struct Block {
    int first_part = 0;
    int parts = 1;
    std::int64_t row = 0;
    std::int64_t rows = 0;
    ParameterView dense{};  // [rows, in]; undefined: stored
    std::vector<typename Storage::Matrix> stored{};
    std::vector<MatrixChange> changes{};  // of the stored ones; may end early
  };
  struct Bias {
    int first_part = 0;
    int parts = 1;
    std::int64_t row = 0;
    std::int64_t rows = 0;
    ParameterView view{};  // [rows]
  };

  SiteWeights(std::int64_t rows, std::int64_t in, at::TensorOptions options, Tensor anchor,
              std::shared_ptr<Workspace> workspace)
      : rows_(rows),
        in_(in),
        options_(options),
        anchor_(std::move(anchor)),
        workspace_(std::move(workspace)) {}

  std::vector<Block> blocks;
  std::vector<Bias> biases;

  std::int64_t rows() const { return rows_; }
  std::int64_t in() const { return in_; }
  /// A leaf that requires a gradient.
  const Tensor& anchor() const { return anchor_; }

  /// x Wᵀ, without a graph: x [n, in] → [n, rows]. `recorded`: the caller records one (whoever
  /// turned gradients off knows): otherwise dense blocks may be packed (nn/packed_matrices.hpp).
  Tensor product(const Tensor& x, bool recorded) const {
    at::NoGradGuard no_grad;
    const auto times = [&](const Block& block) {
      if (!recorded && block.dense.value.defined()) return matmul_kept(x, block.dense.value);
      return matmul_nt(x, matrix(block));
    };
    if (blocks.size() == 1) return times(blocks[0]);
    Tensor y = at::empty({x.size(0), rows_}, x.options());
    for (const Block& block : blocks) y.narrow(1, block.row, block.rows).copy_(times(block));
    return y;
  }

  /// y += b, without a graph.
  void add_bias(Tensor& y) const {
    at::NoGradGuard no_grad;
    for (const Bias& bias : biases) y.narrow(1, bias.row, bias.rows).add_(bias.view.value);
  }

  /// dy W, without a graph: dy [n, rows] → [n, in].
  Tensor input_gradient(const Tensor& dy) const {
    at::NoGradGuard no_grad;
    if (blocks.size() == 1) return matmul_nn(dy, matrix(blocks[0]));
    Tensor dx;
    for (const Block& block : blocks) {
      const Tensor part = matmul_nn(dy.narrow(1, block.row, block.rows), matrix(block));
      dx = dx.defined() ? dx.add_(part) : part;
    }
    return dx;
  }

  /// Adds the gradients of what trains here.
  void accumulate(const Tensor& dy, const Tensor& x) const {
    at::NoGradGuard no_grad;
    for (const Block& block : blocks) {
      if (!block.dense.trained()) continue;
      accumulate_tn(block.dense.grad, dy.narrow(1, block.row, block.rows), x);
    }
    for (const Bias& bias : biases) {
      if (!bias.view.trained()) continue;
      Tensor grad = bias.view.grad;
      grad.add_(at::sum(dy.narrow(1, bias.row, bias.rows), {0}, false, grad.scalar_type()));
    }
  }

  bool matrix_trained() const {
    for (const Block& block : blocks) {
      if (block.dense.trained()) return true;
    }
    return false;
  }
  bool trained() const {
    for (const Bias& bias : biases) {
      if (bias.view.trained()) return true;
    }
    return matrix_trained();
  }

  /// x Wᵀ + b in the graph.
  Tensor linear(const Tensor& x) const {
    if (blocks.size() == 1 && blocks[0].dense.value.defined() && biases.size() <= 1) {
      const ParameterView bias = biases.empty() ? ParameterView() : biases[0].view;
      const ParameterView& dense = blocks[0].dense;
      return posttrain::linear(
          x, {dense.value, bias.value, dense.grad, bias.grad, trained() ? anchor_ : Tensor(),
              /*kept=*/true});
    }
    const bool needs_input_gradient = x.requires_grad();
    Tensor y = product(x, at::GradMode::is_enabled());
    add_bias(y);
    return differentiable(
        y, {x, trained() ? anchor_ : Tensor()},
        // Frozen matrices need no x.
        [site = this->shared_from_this(), x = trained() ? x.detach() : Tensor(),
         needs_input_gradient](const Tensor& dy) -> Tensors {
          if (x.defined()) site->accumulate(dy, x);
          return {needs_input_gradient ? site->input_gradient(dy) : Tensor(), Tensor()};
        });
  }

  /// Rows [row, row + rows) as a dense matrix of the compute dtype. Valid until the next product of
  /// any site if it is stored.
  Tensor matrix(const Block& block) const {
    if (block.dense.value.defined()) return block.dense.value;
    Tensor dense = workspace_->matrix(block.rows, in_, options_);
    if constexpr (!Storage::dense) {
      std::int64_t row = 0;
      for (std::size_t i = 0; i < block.stored.size(); ++i) {
        const Tensor part = dense.narrow(0, row, block.stored[i].rows());
        block.stored[i].write(part);
        if (i < block.changes.size()) block.changes[i].add_to(part);
        row += part.size(0);
      }
    }
    return dense;
  }

 private:
  std::int64_t rows_, in_;
  at::TensorOptions options_;
  Tensor anchor_;
  std::shared_ptr<Workspace> workspace_;
};

namespace detail {

/// The block of a site that holds a part, and the part's first row in it.
template <class Weights>
auto locate(Weights& site, const SiteSpec& spec, int part)
    -> std::pair<typename Weights::Block&, std::int64_t> {
  for (auto& block : site.blocks) {
    if (part < block.first_part || part >= block.first_part + block.parts) continue;
    std::int64_t row = 0;
    for (int i = block.first_part; i < part; ++i) {
      row += spec.parts[static_cast<std::size_t>(i)].rows;
    }
    return {block, row};
  }
  raise("expected a part below {}, got {}", spec.parts.size(), part);
}

}  // namespace detail

}  // namespace posttrain
