// SPDX-License-Identifier: Apache-2.0
// What the state of a LoRA is saved as: its adapters, or the model they are merged into.
#pragma once

#include <algorithm>

#include "posttrain/base/error.hpp"
#include "posttrain/params/lora/init.hpp"
#include "posttrain/params/lora/state.hpp"

namespace posttrain {

template <class Storage>
std::vector<AdapterTensors> LoraState<Storage>::adapters() const {
  std::vector<AdapterTensors> all;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    if (!sites_[i]) continue;
    for (std::size_t p = 0; p < sites_[i]->parts.size(); ++p) {
      const PartAdapter& part = sites_[i]->parts[p];
      const auto rows = [&](const Tensor& a) { return a.narrow(0, part.first, part.rank); };
      AdapterTensors tensors{module(*sites_[i], part),
                             part.scale,
                             rows(sites_[i]->a.master),
                             part.b.master,
                             part.magnitude.master,
                             {},
                             {}};
      if (policy_.moves_base()) {
        tensors.a0 = rows(first_[i]->a.master);
        tensors.b0 = first_[i]->parts[p].b.master;
      }
      all.push_back(std::move(tensors));
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    all.push_back({module(*table),
                   table->scale,
                   table->a.master.t(),
                   table->b.master,
                   table->magnitude.master,
                   {},
                   {},
                   true});
  }
  return all;
}

template <class Storage>
Tensor LoraState<Storage>::merged(const Adapters& site, const PartAdapter& part) const {
  Tensor w = base_->part(site.site(), part.part);
  w.addmm_(part.b.master, site.a.master.narrow(0, part.first, part.rank), 1, part.scale);
  if (part.magnitude.master.defined()) {
    w.mul_((part.magnitude.master / lora_init::row_norms(w)).unsqueeze(1));
  }
  const bool transposed = spec(site.site()).parts[static_cast<std::size_t>(part.part)].transposed;
  return transposed ? w.t() : w;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::weights() const {
  at::NoGradGuard no_grad;
  const Layout& layout = base_->layout();
  std::vector<NamedTensor> all = base_->weights();
  const auto put = [&](const std::string& name, const Tensor& w) {
    if (!at::isfinite(w).all().template item<bool>()) {
      raise("merging of {} gave values that are not finite", name);
    }
    const auto entry = std::ranges::find(all, name, &NamedTensor::name);
    if (entry == all.end()) {
      all.push_back({name, w});
    } else {
      entry->value = w;
    }
  };
  // A head that shares its matrix with an adapted table, or the other way about, is untied.
  for (const SiteSpec& site : layout.sites) {
    if (site.shares < 0 || !tables_[static_cast<std::size_t>(site.shares)]) continue;
    put(site.parts[0].name + ".weight", base_->table(site.shares).exact());
  }
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const PartAdapter& part : site->parts) {
      put(module(*site, part) + ".weight", merged(*site, part));
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    const TableSpec& shape = layout.tables[static_cast<std::size_t>(table->table)];
    put(shape.name, table->merged(base_->table(table->table).exact()));
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::collect(Tensor ParameterView::*field) const {
  std::vector<NamedTensor> all;
  const auto magnitude = [&](const std::string& name, const ParameterView& view) {
    if (view.trained()) all.push_back({name + ".lora_magnitude_vector", view.*field});
  };
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const PartAdapter& part : site->parts) {
      const std::string& name = module(*site, part);
      all.push_back({name + ".lora_A.weight", (site->a.*field).narrow(0, part.first, part.rank)});
      all.push_back({name + ".lora_B.weight", part.b.*field});
      magnitude(name, part.magnitude);
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    const std::string name = module(*table);
    all.push_back({name + ".lora_embedding_A", (table->a.*field).t()});
    all.push_back({name + ".lora_embedding_B", table->b.*field});
    magnitude(name, table->magnitude);
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::gradients() const {
  std::vector<NamedTensor> all = collect(&ParameterView::grad);
  for (NamedTensor& gradient : base_->gradients()) all.push_back(std::move(gradient));
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::tensors() const {
  std::vector<NamedTensor> all = collect(&ParameterView::master);
  const std::vector<NamedTensor> weights = base_->weights();
  for (const NamedTensor& trained : base_->gradients()) {
    all.push_back(*std::ranges::find(weights, trained.name, &NamedTensor::name));
  }
  return all;
}

}  // namespace posttrain
