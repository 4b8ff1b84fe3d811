// SPDX-License-Identifier: Apache-2.0
// Definitions of lora.hpp: templates, so always part of it.
#pragma once

#include <algorithm>
#include <cmath>

#include "posttrain/core/error.hpp"
#include "posttrain/core/rng.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora_init.hpp"

namespace posttrain {

template <class Storage>
LoraState<Storage>::LoraState(const WeightSource& source, const BasicLora<Storage>& policy)
    : policy_(policy), base_(source, policy.storage, also_trained(source)) {
  plan();
  allocate();
  initialise();
  publish();
}

/// Biases and modules_to_save.
template <class Storage>
TensorSelection LoraState<Storage>::also_trained(const WeightSource& source) const {
  std::vector<std::string> adapted;
  for (const Site& site : source.layout.sites) {
    for (const Part& part : site.parts) {
      if (policy_.targets(site, part.name)) adapted.push_back(part.name + ".bias");
    }
  }
  return [adapted = std::move(adapted), bias = policy_.bias,
          saved = policy_.modules_to_save](std::string_view name) {
    return (bias == LoraBias::all && name.ends_with(".bias")) ||
           (bias == LoraBias::lora_only && std::ranges::find(adapted, name) != adapted.end()) ||
           matches_any(saved.view(), name);
  };
}

template <class Storage>
void LoraState<Storage>::plan() {
  const Layout& layout = base_.layout();
  bool any = false;
  for (std::size_t i = 0; i < layout.sites.size(); ++i) {
    const Site& site = layout.sites[i];
    auto adapters =
        std::make_shared<Adapters>(base_.shared_site(static_cast<int>(i)), static_cast<int>(i));
    std::int64_t row = 0, first = 0;
    for (std::size_t p = 0; p < site.parts.size(); ++p) {
      const Part& part = site.parts[p];
      if (policy_.targets(site, part.name)) {
        if (site.head && policy_.dropout > 0.0) {
          raise("Lora.dropout expected no adapter on the LM head, got one on {}", part.name);
        }
        const std::int64_t rank = policy_.rank_of(part.name);
        adapters->parts.push_back(
            {static_cast<int>(p), row, part.rows, first, rank, policy_.scale_of(part.name)});
        first += rank;
      }
      row += part.rows;
    }
    any = any || !adapters->parts.empty();
    sites_.push_back(adapters->parts.empty() ? nullptr : std::move(adapters));
  }
  if (!any) {
    raise("Lora.target_modules \"{}\" selects no matrix of the model; hint: {} is one",
          policy_.target_modules.view(), layout.sites.at(0).parts.at(0).name);
  }
}

template <class Storage>
void LoraState<Storage>::allocate() {
  ParameterBuffer a, b, magnitudes;
  for (const auto& site : sites_) {
    if (!site) continue;
    a.add({site->parts.back().first + site->parts.back().rank,
           base_.layout().sites[static_cast<std::size_t>(site->site())].in});
    for (const PartAdapter& part : site->parts) {
      b.add({part.rows, part.rank});
      if (policy_.use_dora) magnitudes.add({part.rows});
    }
  }
  groups_.push_back(a.allocate("lora_A", base_.dtype(), base_.device(), true));
  groups_.push_back(b.allocate("lora_B", base_.dtype(), base_.device(), true));
  groups_.back().lr_scale = policy_.loraplus_lr_ratio;
  if (policy_.use_dora) {
    groups_.push_back(magnitudes.allocate("lora_magnitude", base_.dtype(), base_.device(), true));
  }
  int next_a = 0, next_b = 0;
  for (const auto& site : sites_) {
    if (!site) continue;
    site->a = a.view(next_a++);
    for (PartAdapter& part : site->parts) {
      part.b = b.view(next_b);
      if (policy_.use_dora) part.magnitude = magnitudes.view(next_b);
      ++next_b;
    }
  }
  groups_.insert(groups_.end(), base_.trainable().begin(), base_.trainable().end());
}

template <class Storage>
void LoraState<Storage>::initialise() {
  at::NoGradGuard no_grad;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (PartAdapter& part : site->parts) {
      Tensor a = site->a.master.narrow(0, part.first, part.rank);
      initialise(part, a, site->site(), module(*site, part));
      if (policy_.use_dora) {
        Tensor magnitude = part.magnitude.master;
        magnitude.copy_(lora_init::row_norms(base_.part(site->site(), part.part)));
      }
    }
  }
  publish();
  if (policy_.init != LoraInit::olora && policy_.init != LoraInit::pissa) return;
  // What the base gave up belongs to the reference.
  for (const auto& site : sites_) {
    if (!site) {
      first_.push_back(nullptr);
      continue;
    }
    auto first = std::make_shared<Adapters>(*site);
    const auto frozen = [](const ParameterView& view) {
      return ParameterView{view.value.clone(), view.master.clone(), Tensor()};
    };
    first->a = frozen(site->a);
    for (PartAdapter& part : first->parts) part.b = frozen(part.b);
    first_.push_back(std::move(first));
  }
}

template <class Storage>
void LoraState<Storage>::initialise(PartAdapter& part, Tensor a, int site, std::string_view name) {
  Tensor b = part.b.master;
  switch (policy_.init) {
    case LoraInit::kaiming:
      lora_init::uniform_(a, 1.0 / std::sqrt(static_cast<double>(a.size(1))), policy_.seed, name);
      return;
    case LoraInit::gaussian:
      lora_init::normal_(a, 1.0 / static_cast<double>(part.rank), policy_.seed, name);
      return;
    case LoraInit::olora:
    case LoraInit::pissa: {
      const Tensor w = base_.part(site, part.part);
      if (part.rank > std::min(w.size(0), w.size(1))) {
        raise("LoraInit::olora and pissa expected a rank of at most {} for {}, got {}",
              std::min(w.size(0), w.size(1)), name, part.rank);
      }
      const auto [first_a, first_b] = policy_.init == LoraInit::olora
                                          ? lora_init::qr(w, part.rank)
                                          : lora_init::principal(w, part.rank, part.scale);
      a.copy_(first_a);
      b.copy_(first_b);
      // As the adapter computes: from what the compute dtype keeps of them.
      const at::ScalarType dtype = base_.dtype();
      const Tensor given = b.to(dtype).to(b.scalar_type()).matmul(a.to(dtype).to(a.scalar_type()));
      base_.replace_part(site, part.part, w - given * part.scale);
      return;
    }
  }
}

template <class Storage>
void LoraState<Storage>::begin_batch(const TokenBatch& batch, std::uint64_t seed,
                                     std::int64_t step) {
  dropout_.reset();
  if (policy_.dropout == 0.0) return;
  dropout_ = KeyedDropout{policy_.dropout, seed, step,
                          std::make_shared<const std::vector<std::uint64_t>>(row_keys(batch))};
}

template <class Storage>
void LoraState<Storage>::publish() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
  if (!policy_.use_dora) return;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (PartAdapter& part : site->parts) {
      const Tensor a = site->a.master.narrow(0, part.first, part.rank);
      Tensor w = base_.part(site->site(), part.part);
      w.addmm_(part.b.master, a, 1, part.scale);
      part.norm = lora_init::row_norms(w);
    }
  }
}

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
      if (!first_.empty()) {
        tensors.a0 = rows(first_[i]->a.master);
        tensors.b0 = first_[i]->parts[p].b.master;
      }
      all.push_back(std::move(tensors));
    }
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::weights() const {
  at::NoGradGuard no_grad;
  std::vector<NamedTensor> all = base_.weights();
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const PartAdapter& part : site->parts) {
      const std::string name = module(*site, part) + ".weight";
      const auto entry = std::ranges::find(all, name, &NamedTensor::name);
      if (entry == all.end()) {
        raise(
            "merging expected a matrix of its own for {}, which shares the embedding's; hint: "
            "save the adapter instead",
            name);
      }
      Tensor w = base_.part(site->site(), part.part);
      w.addmm_(part.b.master, site->a.master.narrow(0, part.first, part.rank), 1, part.scale);
      if (part.magnitude.master.defined()) {
        w.mul_((part.magnitude.master / lora_init::row_norms(w)).unsqueeze(1));
      }
      if (!at::isfinite(w).all().template item<bool>()) {
        raise("merging of {} gave values that are not finite", name);
      }
      const Part& spec = base_.layout()
                             .sites[static_cast<std::size_t>(site->site())]
                             .parts[static_cast<std::size_t>(part.part)];
      entry->value = spec.transposed ? w.t() : w;
    }
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::collect(Tensor ParameterView::*field) const {
  std::vector<NamedTensor> all;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const PartAdapter& part : site->parts) {
      const std::string& name = module(*site, part);
      all.push_back({name + ".lora_A.weight", (site->a.*field).narrow(0, part.first, part.rank)});
      all.push_back({name + ".lora_B.weight", part.b.*field});
      if (part.magnitude.trained()) {
        all.push_back({name + ".lora_magnitude_vector", part.magnitude.*field});
      }
    }
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::gradients() const {
  std::vector<NamedTensor> all = collect(&ParameterView::grad);
  for (NamedTensor& gradient : base_.gradients()) all.push_back(std::move(gradient));
  return all;
}

template <class Storage>
std::vector<NamedTensor> LoraState<Storage>::tensors() const {
  std::vector<NamedTensor> all = collect(&ParameterView::master);
  const std::vector<NamedTensor> weights = base_.weights();
  for (const NamedTensor& trained : base_.gradients()) {
    all.push_back(*std::ranges::find(weights, trained.name, &NamedTensor::name));
  }
  return all;
}

}  // namespace posttrain
