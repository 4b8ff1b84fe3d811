// SPDX-License-Identifier: Apache-2.0
// Definitions of osft/state.hpp: templates, so always part of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/distributed/shared_work.hpp"
#include "posttrain/params/osft/principal_angles.hpp"
#include "posttrain/params/osft/state.hpp"
#include "posttrain/tensor/parallel_tasks.hpp"

namespace posttrain {

template <class Storage>
OsftState<Storage>::OsftState(const WeightSource& source, const Storage& storage,
                              const OsftPlan& plan)
    : plan_(plan), weights_(source, storage, plan.trained) {
  lay_out(plan.unfreeze_rank_ratio, nullptr);
}

template <class Storage>
void OsftState<Storage>::lay_out(double common_ratio, const Protected* earlier) {
  at::NoGradGuard no_grad;
  sites_.assign(weights_.layout().sites.size(), nullptr);
  std::vector<Pending> pending;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    std::ranges::copy(add_targets(static_cast<int>(i), common_ratio, earlier),
                      std::back_inserter(pending));
  }
  find_subspaces(pending, earlier);
  ParameterBuffer buffer;
  std::vector<int> places;
  std::vector<bool> copied;
  for (const auto& site : sites_) {
    copied.push_back(site != nullptr);
    if (!site) continue;
    for (const OsftTarget& target : site->targets) {
      for (const OsftCore& core : target.cores) {
        places.push_back(buffer.add({core.left.size(), core.right.size()}));
      }
    }
  }
  groups_ = weights_.trainable();
  if (buffer.size() > 0) {
    groups_.push_back(
        buffer.allocate("cores", master_dtype(weights_.dtype()), weights_.device(), true));
  }
  base_ = plan_.keep_base ? std::make_shared<const OsftBase<Storage>>(weights_, copied) : nullptr;
  std::size_t next = 0;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (OsftTarget& target : site->targets) {
      for (OsftCore& core : target.cores) core.values = buffer.view(places[next++]);
    }
  }
  bind_weights();
}

template <class Storage>
auto OsftState<Storage>::add_targets(int site, double common_ratio, const Protected* earlier)
    -> std::vector<Pending> {
  const SiteSpec& spec = weights_.layout().sites[static_cast<std::size_t>(site)];
  std::vector<OsftTarget> targets;
  std::vector<std::int64_t> ranks;
  std::int64_t row = 0;
  for (int part = 0; part < static_cast<int>(spec.parts.size()); ++part) {
    const MatrixSpec& matrix = spec.parts[static_cast<std::size_t>(part)];
    const std::string name = matrix.name + ".weight";
    const std::optional<double> ratio =
        plan_.trained(name) ? std::nullopt : plan_.ratio(name, spec.head, common_ratio);
    const std::int64_t shorter = std::min(matrix.rows, spec.in);
    const std::int64_t free =
        ratio ? std::llround(*ratio * static_cast<double>(shorter)) : std::int64_t{0};
    if (ratio && spec.shares >= 0) {
      raise(
          "{} shares the embedding's storage and cannot be a target of Osft; hint: the target "
          "pattern all-linear leaves the LM head out",
          matrix.name);
    }
    // A matrix that was no target yet is protected as a whole.
    if (free > 0 && (!earlier || earlier->contains(matrix.name))) {
      targets.push_back({matrix.name, site, part, row, matrix.rows, spec.in});
      ranks.push_back(shorter - free);
    }
    row += matrix.rows;
  }
  if (targets.empty()) return {};
  auto& own = sites_[static_cast<std::size_t>(site)];
  own = std::make_shared<OsftSite<Storage>>(weights_.shared_site(site), scratch_);
  own->targets = std::move(targets);
  std::vector<Pending> pending;
  for (std::size_t i = 0; i < ranks.size(); ++i) pending.push_back({&own->targets[i], ranks[i]});
  return pending;
}

template <class Storage>
void OsftState<Storage>::find_subspaces(const std::vector<Pending>& pending,
                                        const Protected* earlier) const {
  std::vector<double> costs;
  for (const auto& [target, rank] : pending) {
    const auto rows = static_cast<double>(target->rows), in = static_cast<double>(target->in);
    costs.push_back(rows * in * std::min(rows, in));
    if (!earlier) continue;
    const OsftComplements& before = earlier->at(target->name);
    if (const std::int64_t least = std::max(before.left.k(), before.right.k()); rank < least) {
      raise(
          "{}: earlier tasks protect {} directions, this one's ratio protects {}; hint: lower "
          "unfreeze_rank_ratio from task to task, or keep_protected = false",
          target->name, least, rank);
    }
  }
  // Equal matrices share an entry of the cache, which is then written once and read.
  const bool side_by_side = weights_.device().is_cpu() && plan_.cache_dir.empty();
  const std::vector<Tensors> found = shared_work(
      plan_.ranks.get(), costs,
      [&](std::size_t i) {
        at::NoGradGuard no_grad;  // a thread's own
        return told(complements_of(*pending[i].target, pending[i].rank, earlier));
      },
      side_by_side);
  for (std::size_t i = 0; i < pending.size(); ++i) {
    OsftTarget& target = *pending[i].target;
    target.complements = heard(found[i], target);
    for (OsftTerm& term :
         osft_terms(target.complements, plan_.projection, master_dtype(weights_.dtype()))) {
      target.cores.push_back({term.name, std::move(term.left), std::move(term.right)});
    }
  }
}

template <class Storage>
Tensors OsftState<Storage>::told(const OsftComplements& complements) {
  Tensors all;
  for (const Complement* side : {&complements.left, &complements.right}) {
    const std::vector<NamedTensor> tensors = side->tensors();
    all.push_back(at::tensor({side->k(), static_cast<std::int64_t>(tensors.size())}, at::kLong));
    for (const NamedTensor& tensor : tensors) all.push_back(tensor.value);
  }
  return all;
}

template <class Storage>
OsftComplements OsftState<Storage>::heard(const Tensors& all, const OsftTarget& target) const {
  std::size_t next = 0;
  const auto side = [&](std::int64_t n) {
    const Tensor& numbers = all[next++];
    const std::int64_t* number = numbers.const_data_ptr<std::int64_t>();
    std::vector<NamedTensor> tensors;
    for (std::int64_t i = 0; i < number[1]; ++i) {
      tensors.push_back({target.name, all[next++].to(weights_.device())});
    }
    return Complement::restored(tensors, n, number[0]);
  };
  Complement left = side(target.rows);
  return {std::move(left), side(target.in)};
}

template <class Storage>
OsftComplements OsftState<Storage>::complements_of(const OsftTarget& target, std::int64_t rank,
                                                   const Protected* earlier) const {
  const Tensor w = weights_.part(target.site, target.part);
  const at::ScalarType type = w.scalar_type();
  if (plan_.inputs) {
    const LeadingDirections leading = leading_directions(w, rank, plan_.inputs(target.site));
    return {Complement::of(leading.left, type), Complement::of(leading.right, type)};
  }
  if (!earlier) {
    return plan_.cache_dir.empty() ? osft_complements(w, rank, type)
                                   : cached_osft_complements(plan_.cache_dir, w, rank, type);
  }
  return nested_complements(w, earlier->at(target.name), rank, type);
}

template <class Storage>
const OsftTask& OsftState<Storage>::begin_task(const std::string& name,
                                               const OsftTaskOptions& options) {
  if (const double ratio = options.unfreeze_rank_ratio.value_or(0.0); !(ratio >= 0 && ratio <= 1)) {
    raise("begin_task: expected an unfreeze_rank_ratio in [0, 1], got {}", ratio);
  }
  if (options.keep_protected && plan_.inputs) {
    fail("begin_task: keep_protected goes by W alone, and this state weights it by its inputs");
  }
  publish();  // a dense weight is W₀ + ΔW: only a stored one has yet to take it
  Protected before;
  for (const OsftTarget* target : targets()) {
    before[target->name] = target->complements;
    if (target->weight.defined()) continue;
    at::NoGradGuard no_grad;
    weights_.change_part(target->site, target->part, target->change());
  }
  lay_out(options.unfreeze_rank_ratio.value_or(plan_.unfreeze_rank_ratio),
          options.keep_protected ? &before : nullptr);
  OsftTask task{name, {}};
  for (const OsftTarget* target : targets()) {
    OsftTask::Target entry{target->name, target->rank(), {}, {}};
    const auto old = before.find(target->name);
    if (options.record_angles && old != before.end()) {
      const auto angles = [](const Complement& a, const Complement& b) {
        return principal_angles(protected_basis(a), protected_basis(b));
      };
      entry.left = angles(old->second.left, target->complements.left);
      entry.right = angles(old->second.right, target->complements.right);
    }
    task.targets.push_back(std::move(entry));
  }
  tasks_.push_back(std::move(task));
  return tasks_.back();
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
      } else if (target.weight.scalar_type() != target.cores[0].values.master.scalar_type()) {
        raise(
            "Osft.keep_base = false needs weights in float32, which take updates without loss; "
            "the model computes in {}",
            c10::toString(target.weight.scalar_type()));
      } else {
        for (OsftCore& core : target.cores) {
          core.published = at::zeros_like(core.values.master);
        }
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
                       target->weight.scalar_type() == target->cores[0].values.master.scalar_type();
    if (!exact) changed[target->name + ".weight"] = target;
  }
  std::vector<NamedTensor> all = weights_.weights();
  for (NamedTensor& tensor : all) {
    const auto found = changed.find(tensor.name);
    if (found == changed.end()) continue;
    const OsftTarget& target = *found->second;
    const Tensor w = target.update().add_(
        target.base.defined() ? target.base : weights_.part(target.site, target.part));
    const SiteSpec& spec = weights_.layout().sites[static_cast<std::size_t>(target.site)];
    tensor.value = spec.parts[static_cast<std::size_t>(target.part)].transposed ? w.t() : w;
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> OsftState<Storage>::gradients() const {
  std::vector<NamedTensor> all = weights_.gradients();
  for (const OsftTarget* target : targets()) {
    for (const OsftCore& core : target->cores) {
      all.push_back({target->name + "." + core.name, core.values.grad});
    }
  }
  return all;
}

template <class Storage>
std::vector<NamedTensor> OsftState<Storage>::checkpoint_tensors() const {
  std::vector<NamedTensor> all;
  for (const OsftTarget* target : targets()) {
    for (NamedTensor& tensor : target->bases()) {
      all.push_back({"subspaces." + tensor.name, std::move(tensor.value)});
    }
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
Tensor OsftState<Storage>::base(const OsftTarget& target) const {
  if (target.base.defined()) return target.base;
  if (target.weight.defined()) fail("Osft.keep_base = false keeps no base; hint: leave it true");
  return weights_.part(target.site, target.part);
}

template <class Storage>
std::int64_t OsftState<Storage>::bytes() const {
  std::int64_t total = weights_.bytes();
  for (const OsftTarget* target : targets()) {
    const auto add = [&](const Tensor& tensor) {
      if (tensor.defined()) total += static_cast<std::int64_t>(tensor.nbytes());
    };
    for (const NamedTensor& tensor : target->bases()) add(tensor.value);
    for (const OsftCore& core : target->cores) {
      add(core.values.master);
      add(core.published);
    }
    add(target->base);
  }
  return total;
}

}  // namespace posttrain
