// SPDX-License-Identifier: Apache-2.0
// Definitions of lora/state.hpp: templates, so always part of it.
#pragma once

#include <algorithm>
#include <cmath>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/params/lora/init.hpp"
#include "posttrain/params/lora/state.hpp"

namespace posttrain {

namespace detail {

/// The table that a site shares its matrix with, or nullptr.
inline const TableSpec* shared_table(const Layout& layout, const SiteSpec& site) {
  return site.shares < 0 ? nullptr : &layout.tables[static_cast<std::size_t>(site.shares)];
}

/// The same weights with a tied head as a matrix of its own, which begins as the embedding.
inline WeightSource untied(WeightSource source) {
  for (SiteSpec& site : source.layout.sites) {
    if (site.shares < 0) continue;
    const std::string head = site.parts[0].name + ".weight";
    const std::string table = source.layout.tables[static_cast<std::size_t>(site.shares)].name;
    site.shares = -1;
    source.load = [load = std::move(source.load), head, table](
                      const std::string& name, const std::vector<std::int64_t>& shape,
                      double initial, bool random) {
      return load(name == head ? table : name, shape, initial, random);
    };
  }
  return source;
}

/// What the base of an adapter is loaded from. PEFT trains copies of the modules to save, so that a
/// head is no longer its embedding once one of them is trained, unless `ensure_weight_tying`.
template <class Storage>
WeightSource base_source(const WeightSource& source, const BasicLora<Storage>& policy) {
  const std::string_view saved = policy.modules_to_save.view();
  for (const SiteSpec& site : source.layout.sites) {
    const TableSpec* table = shared_table(source.layout, site);
    if (table == nullptr || policy.ensure_weight_tying) continue;
    if (matches_any(saved, table->name) || matches_any(saved, site.parts[0].name + ".weight")) {
      return untied(source);
    }
  }
  return source;
}

/// Biases and modules_to_save: what a policy trains besides its adapters.
template <class Storage>
TensorSelection also_trained(const Layout& layout, const BasicLora<Storage>& policy) {
  std::vector<std::string> names;
  for (const SiteSpec& site : layout.sites) {
    const TableSpec* table = shared_table(layout, site);
    if (table != nullptr && policy.ensure_weight_tying &&
        matches_any(policy.modules_to_save.view(), site.parts[0].name + ".weight")) {
      names.push_back(table->name);
    }
  }
  for (const SiteSpec& site : layout.sites) {
    for (const MatrixSpec& part : site.parts) {
      if (policy.bias == LoraBias::lora_only && policy.targets(site, part.name)) {
        names.push_back(part.name + ".bias");
      }
    }
  }
  return [names = std::move(names), bias = policy.bias,
          saved = policy.modules_to_save](std::string_view name) {
    return (bias == LoraBias::all && name.ends_with(".bias")) ||
           std::ranges::find(names, name) != names.end() || matches_any(saved.view(), name);
  };
}

}  // namespace detail

template <class Storage>
LoraState<Storage>::LoraState(const WeightSource& source, const BasicLora<Storage>& policy)
    : policy_(policy),
      base_(std::make_shared<ModelWeights<Storage>>(detail::base_source(source, policy),
                                                    policy.storage,
                                                    detail::also_trained(source.layout, policy))) {
  build(&source);
}

template <class Storage>
LoraState<Storage>::LoraState(std::shared_ptr<ModelWeights<Storage>> base,
                              const BasicLora<Storage>& policy)
    : policy_(policy), base_(std::move(base)) {
  if (policy_.bias != LoraBias::none || !policy_.modules_to_save.empty() || policy_.moves_base() ||
      policy_.init == LoraInit::loftq) {
    raise(
        "an adapter on a shared base expected no biases, no modules_to_save and first values that "
        "leave the base alone; hint: attach it to the model on its own");
  }
  build(nullptr);
}

template <class Storage>
void LoraState<Storage>::build(const WeightSource* source) {
  plan();
  allocate();
  initialise(source);
  publish();
  if (!base_->trainable().empty()) {
    start_ = std::make_shared<const ModelWeights<Storage>>(base_->frozen());
  }
  if (policy_.moves_base() || policy_.init == LoraInit::loftq) keep_first();
}

template <class Storage>
void LoraState<Storage>::plan() {
  const Layout& layout = base_->layout();
  bool any = false;
  for (std::size_t i = 0; i < layout.sites.size(); ++i) {
    const SiteSpec& site = layout.sites[i];
    auto adapters =
        std::make_shared<Adapters>(base_->shared_site(static_cast<int>(i)), static_cast<int>(i));
    std::int64_t row = 0, first = 0;
    for (std::size_t p = 0; p < site.parts.size(); ++p) {
      const MatrixSpec& part = site.parts[p];
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
  for (std::size_t i = 0; i < layout.tables.size(); ++i) {
    const TableSpec& table = layout.tables[i];
    tables_.push_back(nullptr);
    if (!policy_.targets(table)) continue;
    const std::string_view name = detail::module_of(table.name);
    tables_.back() = std::make_shared<TableAdapter>(TableAdapter{
        static_cast<int>(i), policy_.rank_of(name), policy_.scale_of(name), table.padding_row});
    any = true;
  }
  for (const SiteSpec& site : layout.sites) {
    if (!policy_.ensure_weight_tying || site.shares < 0) continue;
    if (!policy_.targets(site, site.parts[0].name) &&
        !tables_[static_cast<std::size_t>(site.shares)]) {
      continue;
    }
    raise(
        "Lora.ensure_weight_tying expected no adapter on {} or {}, which are one matrix: one "
        "adapter of both is not supported; hint: train it fully, modules_to_save = \"{}\"",
        layout.tables[static_cast<std::size_t>(site.shares)].name, site.parts[0].name,
        detail::module_of(layout.tables[static_cast<std::size_t>(site.shares)].name));
  }
  plan_token_rows();
  if (!any) {
    raise("Lora.target_modules \"{}\" selects nothing of the model; hint: {} is one",
          policy_.target_modules.view(), layout.sites.at(0).parts.at(0).name);
  }
}

template <class Storage>
void LoraState<Storage>::plan_token_rows() {
  const Layout& layout = base_->layout();
  const std::vector<detail::RowRange> ranges =
      detail::row_ranges(policy_.trainable_token_indices.view());
  const auto ids_of = [&](std::string_view module, std::int64_t rows, bool of_tokens) {
    std::vector<std::int64_t> ids;
    for (const detail::RowRange& range : ranges) {
      if (range.module.empty() ? !of_tokens : !matches_pattern(range.module, module)) continue;
      if (range.last >= rows) {
        raise("Lora.trainable_token_indices expected ids below {} of {}, got {}", rows, module,
              range.last);
      }
      for (std::int64_t id = range.first; id <= range.last; ++id) ids.push_back(id);
    }
    return ids;
  };
  for (std::size_t i = 0; i < layout.tables.size(); ++i) {
    const std::string module(detail::module_of(layout.tables[i].name));
    add_token_rows(module, static_cast<int>(i), -1, ids_of(module, layout.tables[i].rows, i == 0));
  }
  // A head that is tied to its embedding has the embedding's rows, unless it is given its own.
  for (std::size_t i = 0; i < layout.sites.size(); ++i) {
    const SiteSpec& site = layout.sites[i];
    if (!site.head) continue;
    std::vector<std::int64_t> own = ids_of(site.parts[0].name, site.rows(), false);
    const auto tied = std::ranges::find_if(
        token_rows_, [&](const auto& rows) { return rows->table == site.shares; });
    if (site.shares < 0 || tied == token_rows_.end()) {
      add_token_rows(site.parts[0].name, -1, static_cast<int>(i), std::move(own));
    } else if (own.empty() || own == (*tied)->ids) {
      (*tied)->site = static_cast<int>(i);
    } else if (policy_.ensure_weight_tying) {
      raise("Lora.ensure_weight_tying expected equal trainable_token_indices of {} and {}",
            (*tied)->module, site.parts[0].name);
    } else {
      add_token_rows(site.parts[0].name, -1, static_cast<int>(i), std::move(own));
    }
  }
  for (const auto& rows : token_rows_) {
    const bool adapted = (rows->table >= 0 && tables_[static_cast<std::size_t>(rows->table)]) ||
                         (rows->site >= 0 && sites_[static_cast<std::size_t>(rows->site)]);
    const bool trained = (rows->table >= 0 && base_->table(rows->table).trained()) ||
                         (rows->site >= 0 && base_->site(rows->site).matrix_trained());
    if (!adapted && !trained) continue;
    raise(
        "Lora.trainable_token_indices expected no other training of {}, which {} selects, too; "
        "hint: name it in one of them",
        rows->module, adapted ? "target_modules" : "modules_to_save");
  }
}

template <class Storage>
void LoraState<Storage>::add_token_rows(const std::string& module, int table, int site,
                                        std::vector<std::int64_t> ids) {
  if (ids.empty()) return;
  const Layout& layout = base_->layout();
  TokenRows rows{.module = module, .table = table, .site = site, .ids = std::move(ids)};
  if (table >= 0) {
    rows.padding_row = layout.tables[static_cast<std::size_t>(table)].padding_row;
  }
  std::vector<std::int64_t> sorted = rows.ids;
  std::ranges::sort(sorted);
  const auto twice = std::ranges::adjacent_find(sorted);
  if (twice != sorted.end()) {
    raise("Lora.trainable_token_indices expected each id of {} once, got {} twice", module, *twice);
  }
  token_rows_.push_back(std::make_shared<TokenRows>(std::move(rows)));
}

template <class Storage>
Tensor LoraState<Storage>::matrix_of(const TokenRows& rows) const {
  if (rows.table >= 0) return base_->table(rows.table).exact();
  const SiteWeights<Storage>& head = base_->site(rows.site);
  return head.matrix(head.blocks.at(0));  // no storage takes the head
}

template <class Storage>
void LoraState<Storage>::allocate() {
  ParameterBuffer a, b, tables, tokens, magnitudes;
  for (const auto& site : sites_) {
    if (!site) continue;
    a.add({site->parts.back().first + site->parts.back().rank, spec(site->site()).in});
    for (const PartAdapter& part : site->parts) {
      b.add({part.rows, part.rank});
      if (policy_.use_dora) magnitudes.add({part.rows});
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    const TableSpec& shape = base_->layout().tables[static_cast<std::size_t>(table->table)];
    tables.add({shape.rows, table->rank});
    tables.add({shape.columns, table->rank});
    if (policy_.use_dora) magnitudes.add({shape.columns});
  }
  for (const auto& rows : token_rows_) {
    tokens.add({static_cast<std::int64_t>(rows->ids.size()), matrix_of(*rows).size(1)});
  }
  const auto group = [&](ParameterBuffer& buffer, const char* name) {
    if (buffer.size() == 0) return;
    groups_.push_back(buffer.allocate(name, base_->dtype(), base_->device(), true));
  };
  group(a, "lora_A");
  group(b, "lora_B");
  if (b.size() > 0) groups_.back().lr_scale = policy_.loraplus_lr_ratio;
  group(tables, "lora_embedding");
  group(tokens, "token_rows");
  group(magnitudes, "lora_magnitude");

  int next_a = 0, next_b = 0, next_table = 0, next_rows = 0, next_magnitude = 0;
  for (const auto& site : sites_) {
    if (!site) continue;
    site->a = a.view(next_a++);
    for (PartAdapter& part : site->parts) {
      part.b = b.view(next_b++);
      if (policy_.use_dora) part.magnitude = magnitudes.view(next_magnitude++);
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    table->a = tables.view(next_table++);
    table->b = tables.view(next_table++);
    if (policy_.use_dora) table->magnitude = magnitudes.view(next_magnitude++);
  }
  for (const auto& rows : token_rows_) rows->rows = tokens.view(next_rows++);
  groups_.insert(groups_.end(), base_->trainable().begin(), base_->trainable().end());
}

template <class Storage>
void LoraState<Storage>::initialise(const WeightSource* source) {
  at::NoGradGuard no_grad;
  for (const auto& rows : token_rows_) rows->initialise(matrix_of(*rows));
  for (const auto& site : sites_) {
    if (!site) continue;
    for (PartAdapter& part : site->parts) {
      Tensor a = site->a.master.narrow(0, part.first, part.rank);
      initialise(part, a, site->site(), source);
      if (policy_.use_dora) {
        Tensor w = base_->part(site->site(), part.part);
        Tensor magnitude = part.magnitude.master;
        magnitude.copy_(lora_init::row_norms(w.addmm_(part.b.master, a, 1, part.scale)));
      }
    }
  }
  for (const auto& table : tables_) {
    if (!table) continue;
    lora_init::normal_(table->b.master, 1.0, policy_.seed, module(*table));
    if (policy_.use_dora) {
      Tensor magnitude = table->magnitude.master;
      magnitude.copy_(table->column_norms(base_->table(table->table).exact()));
    }
  }
}

template <class Storage>
void LoraState<Storage>::initialise(PartAdapter& part, Tensor a, int site,
                                    const WeightSource* source) {
  const std::string& name = spec(site).parts[static_cast<std::size_t>(part.part)].name;
  const auto check_rank = [&] {
    const std::int64_t most = std::min(part.rows, spec(site).in);
    if (part.rank > most) {
      raise("LoraInit::{} expected a rank of at most {} for {}, got {}", enum_name(policy_.init),
            most, name, part.rank);
    }
  };
  switch (policy_.init) {
    case LoraInit::loftq:
      if (base_->stored(site, part.part)) {
        check_rank();
        factor_quantization_error(part, a, site, *source);
        return;
      }
      [[fallthrough]];  // what the storage leaves as it is, the LM head, has no error
    case LoraInit::kaiming:
      lora_init::uniform_(a, 1.0 / std::sqrt(static_cast<double>(a.size(1))), policy_.seed, name);
      return;
    case LoraInit::gaussian:
      lora_init::normal_(a, 1.0 / static_cast<double>(part.rank), policy_.seed, name);
      return;
    case LoraInit::olora:
    case LoraInit::pissa: {
      check_rank();
      const Tensor w = base_->part(site, part.part);
      const auto [first_a, first_b] = policy_.init == LoraInit::olora
                                          ? lora_init::qr(w, part.rank)
                                          : lora_init::principal(w, part.rank, part.scale);
      a.copy_(first_a);
      Tensor b = part.b.master;
      b.copy_(first_b);
      // As the adapter computes: from what the compute dtype keeps of them.
      const at::ScalarType dtype = base_->dtype();
      const Tensor given = b.to(dtype).to(b.scalar_type()).matmul(a.to(dtype).to(a.scalar_type()));
      base_->replace_part(site, part.part, w - given * part.scale);
      return;
    }
  }
}

/// LoftQ: Q ← Q(W − s B A) and s B A ← the leading directions of W − Q, in turn; B A starts at 0.
template <class Storage>
void LoraState<Storage>::factor_quantization_error(PartAdapter& part, Tensor a, int site,
                                                   const WeightSource& source) {
  const MatrixSpec& matrix = spec(site).parts[static_cast<std::size_t>(part.part)];
  const std::string name = matrix.name + ".weight";
  if (source.load_packed && !source.load_packed(name).empty()) {
    raise(
        "LoraInit::loftq expected {} as it was before quantisation, found it stored in 4 bits; "
        "hint: load the unquantised checkpoint",
        name);
  }
  std::vector<std::int64_t> shape{part.rows, spec(site).in};
  if (matrix.transposed) std::swap(shape[0], shape[1]);
  const Tensor loaded = source.load(name, shape, 0.0, true).to(base_->device(), a.scalar_type());
  const Tensor w = matrix.transposed ? loaded.t() : loaded;
  Tensor b = part.b.master;
  for (std::int64_t i = 0; i < policy_.loftq_iter; ++i) {
    if (i > 0) base_->replace_part(site, part.part, at::addmm(w, b, a, 1, -part.scale));
    const Tensor error = w - base_->part(site, part.part);
    const auto [first_a, first_b] = lora_init::principal(error, part.rank, part.scale);
    a.copy_(first_a);
    b.copy_(first_b);
  }
}

/// The adapters before training belong to the reference where they carry a part of the model.
template <class Storage>
void LoraState<Storage>::keep_first() {
  at::NoGradGuard no_grad;
  const auto frozen = [](const ParameterView& view) {
    if (!view.value.defined()) return view;
    return ParameterView{view.value.clone(), view.master.clone(), Tensor()};
  };
  for (const auto& site : sites_) {
    first_.push_back(nullptr);
    if (!site) continue;
    first_.back() = std::make_shared<Adapters>(start().shared_site(site->site()), site->site());
    first_.back()->a = frozen(site->a);
    first_.back()->parts = site->parts;
    for (PartAdapter& part : first_.back()->parts) {
      part.b = frozen(part.b);
      part.magnitude = frozen(part.magnitude);
    }
  }
}

template <class Storage>
void LoraState<Storage>::begin_batch(const TokenBatch& batch, std::uint64_t seed,
                                     std::int64_t step) {
  dropout_.reset();
  if (policy_.dropout == 0.0) return;
  dropout_ = KeyedDropout{policy_.dropout, seed, step, row_keys(batch)};
}

template <class Storage>
void LoraState<Storage>::publish() {
  at::NoGradGuard no_grad;
  version_ += 1;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
  if (!policy_.use_dora) return;
  for (const auto& site : sites_) {
    if (!site) continue;
    for (PartAdapter& part : site->parts) {
      const Tensor a = site->a.master.narrow(0, part.first, part.rank);
      Tensor w = base_->part(site->site(), part.part);
      w.addmm_(part.b.master, a, 1, part.scale);
      part.norm = lora_init::row_norms(w);
    }
  }
  for (const auto& table : tables_) {
    if (table) table->norm = table->column_norms(base_->table(table->table).exact());
  }
}

// --- saving
// ---------------------------------------------------------------------------------------

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
  for (const auto& rows : token_rows_) {
    const Tensor w = matrix_of(*rows);
    put(rows->module + ".weight", rows->merged(w));
    for (const SiteSpec& site : layout.sites) {  // a head that does not follow its embedding
      if (rows->table < 0 || rows->table != site.shares || rows->site >= 0) continue;
      put(site.parts[0].name + ".weight", w);
    }
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
  for (const auto& rows : token_rows_) {
    all.push_back({rows->module + std::string(detail::kTokenRows), rows->rows.*field});
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
