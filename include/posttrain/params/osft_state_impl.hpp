// SPDX-License-Identifier: Apache-2.0
// Definitions of osft_state.hpp: templates, so always part of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "posttrain/core/error.hpp"
#include "posttrain/params/osft_state.hpp"

namespace posttrain {

template <class Storage>
OsftState<Storage>::OsftState(const WeightSource& source, const Storage& storage,
                              const OsftPlan& plan)
    : weights_(source, storage, plan.trained), groups_(weights_.trainable()) {
  at::NoGradGuard no_grad;
  sites_.resize(source.layout.sites.size());
  for (std::size_t i = 0; i < sites_.size(); ++i) add_targets(static_cast<int>(i), plan);

  ParameterBuffer buffer;
  std::vector<int> places;
  std::vector<bool> copied;
  for (const auto& site : sites_) {
    copied.push_back(site != nullptr);
    if (!site) continue;
    for (const OsftTarget& target : site->targets) {
      places.push_back(
          buffer.add({target.complements.left.size(), target.complements.right.size()}));
    }
  }
  if (buffer.size() > 0) {
    groups_.push_back(buffer.allocate("cores", master_dtype(source.dtype), source.device, true));
  }
  if (plan.keep_base) base_ = std::make_shared<const OsftBase<Storage>>(weights_, copied);
  std::size_t next = 0;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (OsftTarget& target : site->targets) target.core = buffer.view(places[next++]);
  }
  bind_weights();
}

template <class Storage>
void OsftState<Storage>::add_targets(int site, const OsftPlan& plan) {
  const Site& spec = weights_.layout().sites[static_cast<std::size_t>(site)];
  std::vector<OsftTarget> targets;
  std::int64_t row = 0;
  for (int part = 0; part < static_cast<int>(spec.parts.size()); ++part) {
    const Part& matrix = spec.parts[static_cast<std::size_t>(part)];
    const std::string name = matrix.name + ".weight";
    const std::optional<double> ratio =
        plan.trained(name) ? std::nullopt : plan.ratio(name, spec.head);
    const std::int64_t shorter = std::min(matrix.rows, spec.in);
    const std::int64_t free =
        ratio ? std::llround(*ratio * static_cast<double>(shorter)) : std::int64_t{0};
    if (ratio && spec.shares >= 0) {
      raise(
          "{} shares the embedding's storage and cannot be a target of Osft; hint: the target "
          "pattern all-linear leaves the LM head out",
          matrix.name);
    }
    if (free > 0) {
      const Tensor w = weights_.part(site, part);
      const at::ScalarType type = w.scalar_type();
      OsftTarget target{matrix.name, site, part, row, matrix.rows, spec.in};
      target.complements = plan.cache_dir.empty()
                               ? osft_complements(w, shorter - free, type)
                               : cached_osft_complements(plan.cache_dir, w, shorter - free, type);
      targets.push_back(std::move(target));
    }
    row += matrix.rows;
  }
  if (targets.empty()) return;
  auto& own = sites_[static_cast<std::size_t>(site)];
  own = std::make_shared<OsftSite<Storage>>(weights_.shared_site(site), scratch_);
  own->targets = std::move(targets);
}

template <class Storage>
void OsftState<Storage>::bind_weights() {
  for (const auto& site : sites_) {
    if (!site) continue;
    for (OsftTarget& target : site->targets) {
      const auto rows_in = [&](const SiteWeights<Storage>& weights) {
        for (const auto& block : weights.blocks) {
          if (block.row > target.row || target.row >= block.row + block.rows) continue;
          if (!block.dense.value.defined()) return Tensor();
          return block.dense.value.narrow(0, target.row - block.row, target.rows);
        }
        return Tensor();
      };
      target.weight = rows_in(weights_.site(target.site));
      if (!target.weight.defined()) continue;
      if (base_) {
        target.base = rows_in(base_->site(target.site));
      } else if (target.weight.scalar_type() != target.core.master.scalar_type()) {
        raise(
            "Osft.keep_base = false needs weights in float32, which take updates without loss; "
            "the model computes in {}",
            c10::toString(target.weight.scalar_type()));
      } else {
        target.published = at::zeros_like(target.core.master);
      }
    }
  }
}

template <class Storage>
const OsftBase<Storage>& OsftState<Storage>::reference() const {
  if (!base_) fail("Osft.keep_base = false keeps no reference; hint: leave it true");
  return *base_;
}

template <class Storage>
void OsftState<Storage>::publish() {
  at::NoGradGuard no_grad;
  weights_.publish();
  for (const auto& site : sites_) {
    if (!site) continue;
    for (OsftTarget& target : site->targets) target.publish();
  }
}

template <class Storage>
std::vector<NamedTensor> OsftState<Storage>::weights() const {
  at::NoGradGuard no_grad;
  std::map<std::string, const OsftTarget*> changed;
  for (const OsftTarget* target : targets()) {
    // Weights that are computed with as they are need no second computation.
    const bool exact = target->weight.defined() &&
                       target->weight.scalar_type() == target->core.master.scalar_type();
    if (!exact) changed[target->name + ".weight"] = target;
  }
  std::vector<NamedTensor> all = weights_.weights();
  for (NamedTensor& tensor : all) {
    const auto found = changed.find(tensor.name);
    if (found == changed.end()) continue;
    const OsftTarget& target = *found->second;
    const Tensor w =
        target.update(target.core.master)
            .add_(target.base.defined() ? target.base : weights_.part(target.site, target.part));
    const Site& spec = weights_.layout().sites[static_cast<std::size_t>(target.site)];
    tensor.value = spec.parts[static_cast<std::size_t>(target.part)].transposed ? w.t() : w;
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> OsftState<Storage>::gradients() const {
  std::vector<NamedTensor> all = weights_.gradients();
  for (const OsftTarget* target : targets()) {
    all.push_back({target->name + ".core", target->core.grad});
  }
  return all;
}

template <class Storage>
std::vector<const OsftTarget*> OsftState<Storage>::targets() const {
  std::vector<const OsftTarget*> all;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (const OsftTarget& target : site->targets) all.push_back(&target);
  }
  return all;
}

template <class Storage>
std::int64_t OsftState<Storage>::bytes() const {
  std::int64_t total = weights_.bytes();
  for (const OsftTarget* target : targets()) {
    total += target->complements.left.bytes() + target->complements.right.bytes();
    for (const Tensor& copy : {target->base, target->published}) {
      if (copy.defined()) total += static_cast<std::int64_t>(copy.nbytes());
    }
  }
  return total;
}

}  // namespace posttrain
