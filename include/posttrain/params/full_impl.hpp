// SPDX-License-Identifier: Apache-2.0
// Definitions of full.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor FullState::linear(int site, const Tensor& x) const {
  return posttrain::linear(x, sites_[site]);
}

POSTTRAIN_INLINE Tensor FullState::embed(int table, const Tensor& ids) const {
  return embed_rows(tables_[table].value, ids, tables_[table].grad,
                    layout_.tables[table].padding_row, anchor_);
}

POSTTRAIN_INLINE Tensor FullState::vector(int index) const {
  return tracked(vectors_[index].value, vectors_[index].grad, anchor_);
}

POSTTRAIN_INLINE void FullState::publish() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
}

POSTTRAIN_INLINE std::vector<NamedTensor> FullState::weights() const { return collect(false); }

POSTTRAIN_INLINE std::vector<NamedTensor> FullState::gradients() const { return collect(true); }

POSTTRAIN_INLINE void FullState::allocate() {
  anchor_ = at::zeros({}, at::TensorOptions(device_).dtype(dtype_)).requires_grad_();
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

POSTTRAIN_INLINE ParameterGroup FullState::make_group(std::string name, std::int64_t size,
                                                      bool decay) const {
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

POSTTRAIN_INLINE void FullState::bind() {
  std::int64_t offsets[2] = {0, 0};
  const auto take = [&](int group, std::vector<std::int64_t> shape) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    const auto view = [&](const Tensor& flat) {
      return flat.narrow(0, offsets[group], size).view(shape);
    };
    View result{view(groups_[group].value), view(groups_[group].master), view(groups_[group].grad)};
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

POSTTRAIN_INLINE std::vector<NamedTensor> FullState::collect(bool gradients) const {
  std::vector<NamedTensor> all;
  visit_checkpoint(
      [&](const std::string& name, const Tensor& master, const Tensor& grad, double, bool) {
        all.push_back({name, gradients ? grad : master});
      });
  return all;
}

}  // namespace posttrain
