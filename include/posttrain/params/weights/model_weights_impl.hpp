// SPDX-License-Identifier: Apache-2.0
// Definitions of model_weights.hpp: templates, so always part of it.
#pragma once

#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/params/weights/model_weights_build_impl.hpp"
#include "posttrain/params/weights/site_weights.hpp"
#include "posttrain/storage/bitsandbytes.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

template <class Storage>
Tensor ModelWeights<Storage>::part(int site, int part) const {
  at::NoGradGuard no_grad;
  const posttrain::Site& spec = layout_.sites[static_cast<std::size_t>(site)];
  const std::int64_t rows = spec.parts[static_cast<std::size_t>(part)].rows;
  const auto [block, row] = detail::locate(*sites_[static_cast<std::size_t>(site)],
                                           layout_.sites[static_cast<std::size_t>(site)], part);
  const auto exact = at::TensorOptions(device_).dtype(master_dtype(dtype_));
  if (block.dense.value.defined()) {
    return at::empty({rows, spec.in}, exact).copy_(block.dense.exact().narrow(0, row, rows));
  }
  Tensor dense = at::empty({rows, spec.in}, exact);
  if constexpr (!Storage::dense) {
    const auto index = static_cast<std::size_t>(part - block.first_part);
    block.stored[index].write(dense);
    if (index < block.changes.size()) block.changes[index].to(dense.scalar_type()).add_to(dense);
  }
  return dense;
}

template <class Storage>
bool ModelWeights<Storage>::stored(int site, int part) const {
  return !detail::locate(*sites_[static_cast<std::size_t>(site)],
                         layout_.sites[static_cast<std::size_t>(site)], part)
              .first.dense.value.defined();
}

template <class Storage>
void ModelWeights<Storage>::replace_part(int site, int part, const Tensor& w) {
  at::NoGradGuard no_grad;
  const auto [block, row] = detail::locate(*sites_[static_cast<std::size_t>(site)],
                                           layout_.sites[static_cast<std::size_t>(site)], part);
  if (block.dense.value.defined()) {
    block.dense.exact().narrow(0, row, w.size(0)).copy_(w);
  } else if constexpr (!Storage::dense) {
    block.stored[static_cast<std::size_t>(part - block.first_part)] = storage_.store(w);
  }
}

template <class Storage>
void ModelWeights<Storage>::change_part(int site, int part, const MatrixChange& change) {
  at::NoGradGuard no_grad;
  auto& own = sites_[static_cast<std::size_t>(site)];
  own = std::make_shared<Site>(*own);  // others may hold the site as it is
  auto& block = detail::locate(*own, layout_.sites[static_cast<std::size_t>(site)], part).first;
  block.changes.resize(block.stored.size());
  MatrixChange& sum = block.changes[static_cast<std::size_t>(part - block.first_part)];
  const at::ScalarType exact = master_dtype(dtype_);
  sum = sum.to(exact).plus(change.to(exact)).to(dtype_);
}

template <class Storage>
std::int64_t ModelWeights<Storage>::bytes() const {
  std::int64_t total = 0;
  const auto add = [&](const ParameterView& view) {
    if (view.value.defined()) {
      total += view.value.numel() * static_cast<std::int64_t>(view.value.element_size());
    }
  };
  for (const ParameterView& view : tables_) add(view);
  for (const ParameterView& view : vectors_) add(view);
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    if (layout_.sites[i].shares < 0) {
      for (const auto& block : sites_[i]->blocks) {
        add(block.dense);
        if constexpr (!Storage::dense) {
          for (const auto& stored : block.stored) total += stored.bytes();
          for (const MatrixChange& change : block.changes) total += change.bytes();
        }
      }
    }
    for (const auto& bias : sites_[i]->biases) add(bias.view);
  }
  return total;
}

template <class Storage>
Tensor ModelWeights<Storage>::linear(int site, const Tensor& x) const {
  return this->site(site).linear(x);
}

template <class Storage>
Tensor ModelWeights<Storage>::embed(int table, const Tensor& ids) const {
  const ParameterView& view = this->table(table);
  return embed_rows(view.value, ids, view.grad,
                    layout_.tables[static_cast<std::size_t>(table)].padding_row,
                    view.trained() ? anchor_ : Tensor());
}

template <class Storage>
Tensor ModelWeights<Storage>::vector(int index) const {
  const ParameterView& view = vectors_[static_cast<std::size_t>(index)];
  return tracked(view.value, view.grad, anchor_);
}

template <class Storage>
void ModelWeights<Storage>::publish() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
}

template <class Storage>
Tensor ModelWeights<Storage>::weight(const Entry& entry) const {
  if (entry.site < 0) return entry.view.exact();
  const Tensor dense = part(entry.site, entry.part).to(dtype_);
  return entry.transposed ? dense.t() : dense;
}

template <class Storage>
Tensor ModelWeights<Storage>::weight(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return weight(entry);
  }
  return {};
}

template <class Storage>
std::vector<NamedTensor> ModelWeights<Storage>::weights() const {
  std::vector<NamedTensor> all;
  for (const Entry& entry : entries_) all.push_back({entry.name, weight(entry)});
  return all;
}

template <class Storage>
std::vector<NamedTensor> ModelWeights<Storage>::packed_weights() const
    requires(std::is_same_v<typename Storage::Matrix, Nf4Matrix>) {
  std::vector<NamedTensor> all;
  for (const Entry& entry : entries_) {
    if (entry.site < 0) {
      all.push_back({entry.name, entry.view.exact()});
      continue;
    }
    const auto& block =
        detail::locate(*sites_[static_cast<std::size_t>(entry.site)],
                       layout_.sites[static_cast<std::size_t>(entry.site)], entry.part)
            .first;
    const auto index = static_cast<std::size_t>(entry.part - block.first_part);
    if (index < block.changes.size() && block.changes[index].defined()) {
      raise("{} has changed beside its codes; hint: weights() gives the sum", entry.name);
    }
    const Nf4Matrix& matrix = block.stored[index];
    for (NamedTensor& tensor : pack_nf4(entry.name, matrix, dtype_)) {
      all.push_back(std::move(tensor));
    }
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> ModelWeights<Storage>::gradients() const {
  std::vector<NamedTensor> all;
  for (const Entry& entry : entries_) {
    if (entry.view.trained()) all.push_back({entry.name, entry.view.grad});
  }
  return all;
}

}  // namespace posttrain
