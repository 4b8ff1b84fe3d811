// SPDX-License-Identifier: Apache-2.0
// Definitions of model_weights.hpp: templates, so always part of it.
#pragma once

#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/params/weights/site_weights.hpp"
#include "posttrain/storage/bitsandbytes.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

template <class Storage>
ModelWeights<Storage>::ModelWeights(const WeightSource& source, const Storage& storage,
                                    const TensorSelection& trained)
    : storage_(storage), layout_(source.layout), dtype_(source.dtype), device_(source.device) {
  anchor_ = at::zeros({}, at::TensorOptions(device_).dtype(dtype_)).requires_grad_();
  workspace_ = std::make_shared<Workspace>();
  plan(trained);
  allocate(trained);
  list_entries();
  load(source);
  publish();
}

template <class Storage>
void ModelWeights<Storage>::plan(const TensorSelection& trained) {
  tables_.resize(layout_.tables.size());
  vectors_.resize(layout_.vectors.size());
  for (const SiteSpec& spec : layout_.sites) plan_site(spec, trained);
}

template <class Storage>
void ModelWeights<Storage>::plan_site(const SiteSpec& spec, const TensorSelection& trained) {
  auto site = std::make_shared<Site>(spec.rows(), spec.in, at::TensorOptions(device_).dtype(dtype_),
                                     anchor_, workspace_);
  std::int64_t row = 0;
  for (int i = 0; i < static_cast<int>(spec.parts.size()); ++i) {
    const MatrixSpec& part = spec.parts[static_cast<std::size_t>(i)];
    // Consecutive parts share a block, so that they are one product, unless one trains alone.
    const auto extend = [&](auto& list, const char* suffix) {
      const auto trains = [&](int index) {
        return trained(spec.parts[static_cast<std::size_t>(index)].name + suffix);
      };
      if (list.empty() || trains(list.back().first_part) != trains(i)) {
        list.push_back({i, 1, row, part.rows});
      } else {
        list.back().parts += 1;
        list.back().rows += part.rows;
      }
    };
    extend(site->blocks, ".weight");
    if (spec.bias) extend(site->biases, ".bias");
    row += part.rows;
  }
  sites_.push_back(std::move(site));
}

template <class Storage>
template <class Visit>
void ModelWeights<Storage>::each_view(const TensorSelection& trained, Visit visit) {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const TableSpec& spec = layout_.tables[i];
    visit(tables_[i], {spec.rows, spec.columns}, trained(spec.name), false);
  }
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const SiteSpec& spec = layout_.sites[i];
    const auto trains = [&](int part, const char* suffix) {
      return trained(spec.parts[static_cast<std::size_t>(part)].name + suffix);
    };
    for (auto& block : sites_[i]->blocks) {
      const bool train = trains(block.first_part, ".weight");
      const bool stored = !Storage::dense && !spec.head && !train;
      if (spec.shares < 0 && !stored) {
        visit(block.dense, {block.rows, spec.in}, train, false);
      }
    }
    for (auto& bias : sites_[i]->biases) {
      visit(bias.view, {bias.rows}, trains(bias.first_part, ".bias"), true);
    }
  }
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    visit(vectors_[i], {layout_.vectors[i].size}, trained(layout_.vectors[i].name), true);
  }
}

template <class Storage>
void ModelWeights<Storage>::allocate(const TensorSelection& trained) {
  using Shape = std::vector<std::int64_t>;
  ParameterBuffer buffers[2];
  std::vector<std::pair<bool, int>> places;
  each_view(trained, [&](ParameterView& view, Shape shape, bool train, bool vector) {
    if (train) {
      places.emplace_back(vector, buffers[vector].add(std::move(shape)));
    } else {
      view.value = at::zeros(shape, at::TensorOptions(device_).dtype(dtype_));
    }
  });
  const auto group = [&](ParameterBuffer& buffer, const char* name, bool decay) {
    if (buffer.size() > 0) groups_.push_back(buffer.allocate(name, dtype_, device_, decay));
  };
  group(buffers[0], "matrices", true);
  group(buffers[1], "vectors", false);
  std::size_t next = 0;
  each_view(trained, [&](ParameterView& view, const Shape&, bool train, bool) {
    if (!train) return;
    const auto [vector, index] = places[next++];
    view = buffers[vector].view(index);
  });
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    if (const int shared = layout_.sites[i].shares; shared >= 0) {
      sites_[i]->blocks[0].dense = tables_[static_cast<std::size_t>(shared)];
    }
  }
}

template <class Storage>
void ModelWeights<Storage>::list_entries() {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const TableSpec& spec = layout_.tables[i];
    entries_.push_back({spec.name, {spec.rows, spec.columns}, 0.0, true, tables_[i]});
  }
  for (std::size_t i = 0; i < sites_.size(); ++i) list_site(static_cast<int>(i));
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    const VectorSpec& spec = layout_.vectors[i];
    entries_.push_back({spec.name, {spec.size}, spec.initial, false, vectors_[i]});
  }
}

template <class Storage>
void ModelWeights<Storage>::list_site(int index) {
  const SiteSpec& spec = layout_.sites[static_cast<std::size_t>(index)];
  if (spec.shares >= 0) return;
  const Site& site = *sites_[static_cast<std::size_t>(index)];
  const auto rows_of = [](const ParameterView& view, std::int64_t row, std::int64_t rows,
                          bool transposed) {
    const auto cut = [&](const Tensor& t) {
      if (!t.defined()) return t;
      const Tensor part = t.narrow(0, row, rows);
      return transposed ? part.t() : part;
    };
    return ParameterView{cut(view.value), cut(view.master), cut(view.grad)};
  };
  std::int64_t row = 0;
  for (int i = 0; i < static_cast<int>(spec.parts.size()); ++i) {
    const MatrixSpec& part = spec.parts[static_cast<std::size_t>(i)];
    const auto holds = [&](const auto& piece) {
      return piece.row <= row && row < piece.row + piece.rows;
    };
    for (const auto& block : site.blocks) {
      if (!holds(block)) continue;
      Entry entry{part.name + ".weight", {part.rows, spec.in}, 0.0, true};
      entry.transposed = part.transposed;
      if (part.transposed) std::swap(entry.shape[0], entry.shape[1]);
      if (block.dense.value.defined()) {
        entry.view = rows_of(block.dense, row - block.row, part.rows, part.transposed);
      } else {
        entry.site = index;
        entry.part = i;
      }
      entries_.push_back(std::move(entry));
    }
    for (const auto& bias : site.biases) {
      if (!holds(bias)) continue;
      entries_.push_back({part.name + ".bias",
                          {part.rows},
                          0.0,
                          false,
                          rows_of(bias.view, row - bias.row, part.rows, false)});
    }
    row += part.rows;
  }
}

template <class Storage>
void ModelWeights<Storage>::load(const WeightSource& source) {
  // One at a time: a quantised model never exists dense as a whole.
  for (const Entry& entry : entries_) {
    if (source.load_packed && load_packed(entry, source)) continue;
    set(entry, source.load(entry.name, entry.shape, entry.initial, entry.random));
  }
}

template <class Storage>
void ModelWeights<Storage>::set(const Entry& entry, const Tensor& loaded) {
  if (entry.site < 0) {
    Tensor target = entry.view.exact();
    target.copy_(loaded);
  } else if constexpr (!Storage::dense) {
    const Tensor w = (entry.transposed ? loaded.t() : loaded).to(device_);
    add_stored(entry, storage_.store(w));
  }
}

template <class Storage>
void ModelWeights<Storage>::add_stored(const Entry& entry, typename Storage::Matrix matrix) {
  // Parts come in order, so this is the block's next one.
  detail::locate(*sites_[static_cast<std::size_t>(entry.site)],
                 layout_.sites[static_cast<std::size_t>(entry.site)], entry.part)
      .first.stored.push_back(std::move(matrix));
}

/// A matrix that the checkpoint stores in another form: kept as it is, or dequantised for another
/// storage.
template <class Storage>
bool ModelWeights<Storage>::load_packed(const Entry& entry, const WeightSource& source) {
  const PackedTensors packed = source.load_packed(entry.name);
  if (packed.empty()) return false;
  const std::int64_t rows = entry.shape[entry.transposed ? 1 : 0];
  const std::int64_t columns = entry.shape.size() == 2 ? entry.shape[entry.transposed ? 0 : 1] : 0;
  const auto take = [&](auto matrix) {
    if (matrix.row_count != rows || matrix.columns != columns) {
      raise("{}: expected a stored matrix of [{}, {}], found [{}, {}]", entry.name, rows, columns,
            matrix.row_count, matrix.columns);
    }
    if constexpr (std::is_same_v<typename Storage::Matrix, decltype(matrix)>) {
      if (entry.site >= 0) return add_stored(entry, std::move(matrix));
    }
    if (entry.site < 0 && !entry.transposed) return matrix.write(entry.view.exact());
    const Tensor dense = at::empty({rows, columns}, at::TensorOptions(device_).dtype(at::kFloat));
    matrix.write(dense);
    set(entry, entry.transposed ? dense.t() : dense);
  };
  if (auto matrix = unpack_gguf(entry.name, packed)) {
    take(*std::move(matrix));
  } else {
    take(unpack_nf4(entry.name, packed, device_));
  }
  return true;
}

template <class Storage>
Tensor ModelWeights<Storage>::part(int site, int part) const {
  at::NoGradGuard no_grad;
  const SiteSpec& spec = layout_.sites[static_cast<std::size_t>(site)];
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
  version_ += 1;
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
  version_ += 1;
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
ModelWeights<Storage> ModelWeights<Storage>::frozen() const {
  at::NoGradGuard no_grad;
  ModelWeights copy = *this;
  copy.groups_.clear();
  const auto freeze = [](ParameterView& view) {
    if (view.trained()) view = {view.value.clone(), Tensor(), Tensor()};
  };
  for (ParameterView& view : copy.tables_) freeze(view);
  for (ParameterView& view : copy.vectors_) freeze(view);
  for (std::size_t i = 0; i < copy.sites_.size(); ++i) {
    const int shared = layout_.sites[i].shares;
    if (shared < 0 && !sites_[i]->trained()) continue;
    copy.sites_[i] = std::make_shared<Site>(*sites_[i]);
    for (auto& block : copy.sites_[i]->blocks) {
      if (shared >= 0) {
        block.dense = copy.tables_[static_cast<std::size_t>(shared)];
      } else {
        freeze(block.dense);
      }
    }
    for (auto& bias : copy.sites_[i]->biases) freeze(bias.view);
  }
  copy.entries_.clear();
  copy.list_entries();
  return copy;
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
  version_ += 1;
  for (ParameterGroup& group : groups_) {
    if (group.master.defined() && !group.value.is_same(group.master)) {
      group.value.copy_(group.master);
    }
  }
}

template <class Storage>
bool ModelWeights<Storage>::release_masters() {
  if (master_dtype(dtype_) == dtype_) return false;
  const auto release = [](ParameterView& view) { view.master = Tensor(); };
  for (ParameterGroup& group : groups_) group.master = Tensor();
  for (ParameterView& view : tables_) release(view);
  for (ParameterView& view : vectors_) release(view);
  for (const std::shared_ptr<Site>& site : sites_) {
    for (auto& block : site->blocks) release(block.dense);
    for (auto& bias : site->biases) release(bias.view);
  }
  for (Entry& entry : entries_) release(entry.view);
  return true;
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
std::optional<NonFinite> ModelWeights<Storage>::first_non_finite() const {
  for (const Entry& entry : entries_) {
    if (auto found = posttrain::first_non_finite({entry.name, weight(entry)})) return found;
  }
  return std::nullopt;
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
