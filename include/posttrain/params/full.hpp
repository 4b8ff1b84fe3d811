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
  Tensor linear(int site, const Tensor& x) const;
  /// ids [n] → [n, columns of the table].
  Tensor embed(int table, const Tensor& ids) const;
  Tensor vector(int index) const;
  /// A leaf that requires a gradient: graphs that reach a trained parameter depend on it.
  const Tensor& anchor() const { return anchor_; }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// After the optimizer changed the masters: rounds them into the compute weights.
  void publish();

  /// Every tensor of the checkpoint, in its shape there, as views of the masters.
  std::vector<NamedTensor> weights() const;
  /// The accumulated gradients under the same names.
  std::vector<NamedTensor> gradients() const;

 private:
  struct View {
    Tensor value, master, grad;
  };

  static std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

  void allocate();

  ParameterGroup make_group(std::string name, std::int64_t size, bool decay) const;

  void bind();

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

  std::vector<NamedTensor> collect(bool gradients) const;

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

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/full_impl.hpp"
#endif
