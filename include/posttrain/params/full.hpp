// SPDX-License-Identifier: Apache-2.0
// Full fine-tuning: every parameter of the model is trained.
//
// All parameters lie in two flat buffers: matrices and tables (with weight decay) and vectors
// (norm weights and biases, without, as transformers' Trainer groups them). Gradients are fp32
// whatever the compute dtype, and a bf16 model is updated through fp32 masters.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/core/layout.hpp"
#include "posttrain/tensor/linear.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class FullState;

struct Full {
  using State = FullState;
  static constexpr bool has_reference = false;

  constexpr void validate() const {}

  /// Loads every parameter of `model` (its `layout()`, `load()`, `dtype()`, `device()`).
  FullState attach(const auto& model) const;
};

/// The gate of `Full`: owns the weights and does every projection with them.
class FullState {
 public:
  template <class Model>
  explicit FullState(const Model& model)
      : layout_(model.layout()), dtype_(model.dtype()), device_(model.device()) {
    allocate();
    anchor_ = at::zeros({}, at::TensorOptions(device_).dtype(dtype_)).requires_grad_();
    bind();
    visit_checkpoint([&](const std::string& name, const Tensor& master, const Tensor&,
                         double initial, bool random) {
      Tensor target = master;
      target.copy_(model.load(name, master.sizes().vec(), initial, random));
    });
    publish();
  }

  // --- the gate --------------------------------------------------------------------------------
  /// x [n, in] → [n, out of the site].
  Tensor linear(int site, const Tensor& x) const { return posttrain::linear(x, sites_[site]); }
  /// ids [n] → [n, columns of the table].
  Tensor embed(int table, const Tensor& ids) const {
    return embed_rows(tables_[table].value, ids, tables_[table].grad,
                      layout_.tables[table].padding_row, anchor_);
  }
  Tensor vector(int index) const {
    return tracked(vectors_[index].value, vectors_[index].grad, anchor_);
  }
  /// A leaf that requires a gradient: graphs that reach a trained parameter depend on it.
  const Tensor& anchor() const { return anchor_; }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// After the optimizer changed the masters: rounds them into the compute weights.
  void publish() {
    at::NoGradGuard no_grad;
    for (ParameterGroup& group : groups_) {
      if (!group.value.is_same(group.master)) group.value.copy_(group.master);
    }
  }

  /// Every tensor of the checkpoint, in its shape there, as views of the masters.
  std::vector<NamedTensor> weights() const { return collect(false); }
  /// The accumulated gradients under the same names.
  std::vector<NamedTensor> gradients() const { return collect(true); }

 private:
  struct View {
    Tensor value, master, grad;
  };

  static std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

  void allocate() {
    std::int64_t matrices = 0;
    std::int64_t vectors = 0;
    for (const Site& site : layout_.sites) {
      if (site.shares < 0) matrices += padded(site.rows() * site.in);
      if (site.bias) vectors += padded(site.rows());
    }
    for (const TableSpec& table : layout_.tables) matrices += padded(table.rows * table.columns);
    for (const VectorSpec& vector : layout_.vectors) vectors += padded(vector.size);
    groups_ = {make_group("matrices", matrices, true), make_group("vectors", vectors, false)};
  }

  ParameterGroup make_group(std::string name, std::int64_t size, bool decay) const {
    const auto options = at::TensorOptions(device_);
    ParameterGroup group;
    group.name = std::move(name);
    group.master = at::zeros({size}, options.dtype(master_dtype(dtype_)));
    group.value =
        dtype_ == master_dtype(dtype_) ? group.master : at::zeros({size}, options.dtype(dtype_));
    group.grad = at::zeros({size}, options.dtype(master_dtype(dtype_)));
    group.decay = decay;
    return group;
  }

  void bind() {
    std::int64_t offsets[2] = {0, 0};
    const auto take = [&](int group, std::vector<std::int64_t> shape) {
      std::int64_t size = 1;
      for (const std::int64_t extent : shape) size *= extent;
      const auto view = [&](const Tensor& flat) {
        return flat.narrow(0, offsets[group], size).view(shape);
      };
      View result{view(groups_[group].value), view(groups_[group].master),
                  view(groups_[group].grad)};
      offsets[group] += padded(size);
      return result;
    };
    for (const TableSpec& table : layout_.tables)
      tables_.push_back(take(0, {table.rows, table.columns}));
    for (const Site& site : layout_.sites) {
      const View matrix = site.shares < 0 ? take(0, {site.rows(), site.in}) : tables_[site.shares];
      const View bias = site.bias ? take(1, {site.rows()}) : View{};
      sites_.push_back({matrix.value, bias.value, matrix.grad, bias.grad, anchor_});
      site_masters_.push_back({matrix.master, bias.master});
    }
    for (const VectorSpec& vector : layout_.vectors) vectors_.push_back(take(1, {vector.size}));
  }

  /// visit(name, master, grad, initial value, random?) for every tensor of the checkpoint.
  template <class Visit>
  void visit_checkpoint(Visit visit) const {
    for (std::size_t i = 0; i < layout_.tables.size(); ++i) {
      visit(layout_.tables[i].name, tables_[i].master, tables_[i].grad, 0.0, true);
    }
    for (std::size_t i = 0; i < layout_.sites.size(); ++i) {
      const Site& site = layout_.sites[i];
      if (site.shares >= 0) continue;
      std::int64_t row = 0;
      for (const Part& part : site.parts) {
        const auto oriented = [&](const Tensor& whole) {
          const Tensor rows = whole.narrow(0, row, part.rows);
          return part.transposed ? rows.t() : rows;
        };
        visit(part.name + ".weight", oriented(site_masters_[i].first), oriented(sites_[i].grad),
              0.0, true);
        if (site.bias) {
          visit(part.name + ".bias", site_masters_[i].second.narrow(0, row, part.rows),
                sites_[i].bias_grad.narrow(0, row, part.rows), 0.0, false);
        }
        row += part.rows;
      }
    }
    for (std::size_t i = 0; i < layout_.vectors.size(); ++i) {
      visit(layout_.vectors[i].name, vectors_[i].master, vectors_[i].grad,
            layout_.vectors[i].initial, false);
    }
  }

  std::vector<NamedTensor> collect(bool gradients) const {
    std::vector<NamedTensor> all;
    visit_checkpoint(
        [&](const std::string& name, const Tensor& master, const Tensor& grad, double, bool) {
          all.push_back({name, gradients ? grad : master});
        });
    return all;
  }

  Layout layout_;
  at::ScalarType dtype_;
  at::Device device_;
  Tensor anchor_;
  std::vector<ParameterGroup> groups_;
  std::vector<Weight> sites_;
  std::vector<std::pair<Tensor, Tensor>> site_masters_;  // weight, bias
  std::vector<View> tables_;
  std::vector<View> vectors_;
};

inline FullState Full::attach(const auto& model) const { return FullState(model); }

}  // namespace posttrain
