// SPDX-License-Identifier: Apache-2.0
// The state of a LoRA: adapters beside a frozen base, and the gate through both.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/params/lora/adapters.hpp"
#include "posttrain/params/lora/policy.hpp"
#include "posttrain/params/lora/table.hpp"
#include "posttrain/params/lora/token_rows.hpp"
#include "posttrain/params/weights/model_weights.hpp"

namespace posttrain {

/// One adapter as files hold it.
struct AdapterTensors {
  std::string module;  // name of the adapted matrix without ".weight"
  double scale = 1.0;
  Tensor a, b;       // [r, in], [out, r], masters; of a table [r, rows], [columns, r]
  Tensor magnitude;  // [out], [columns] or undefined
  Tensor a0, b0;     // first values, where the base gave up s · b0 a0; else undefined
  bool table = false;
};

/// The gate of `BasicLora`. A copy shares everything with its original.
template <class Storage>
class LoraState {
 public:
  LoraState(const WeightSource& source, const BasicLora<Storage>& policy);
  /// On a base that others use too: nothing of it may be trained or replaced.
  LoraState(std::shared_ptr<ModelWeights<Storage>> base, const BasicLora<Storage>& policy);

  // --- the gate --------------------------------------------------------------------------------
  Tensor linear(int site, const Tensor& x) const {
    const auto& adapters = sites_[static_cast<std::size_t>(site)];
    Tensor y = adapters ? adapters->linear(x, dropout_) : base_->linear(site, x);
    for (const auto& rows : token_rows_) {
      if (rows->site == site) y = rows->linear(y, x, anchor());
    }
    return y;
  }
  Tensor embed(int table, const Tensor& ids) const {
    const auto& adapter = tables_[static_cast<std::size_t>(table)];
    const Tensor found = base_->embed(table, ids);
    for (const auto& rows : token_rows_) {
      if (rows->table == table) return rows->embed(found, ids, anchor());
    }
    return adapter ? adapter->embed(found, ids, anchor()) : found;
  }
  Tensor vector(int index) const { return base_->vector(index); }
  const Tensor& anchor() const { return base_->anchor(); }

  /// Dropout is on between `begin_batch` and `end_batch`: its mask is keyed by the batch's tokens.
  void begin_batch(const TokenBatch& batch, std::uint64_t seed, std::int64_t step);
  void end_batch() { dropout_.reset(); }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish();
  std::uint64_t weights_version() const { return version_ + base_->weights_version(); }

  /// The merged model under the checkpoint's names: W + s B A in fp32 from the pristine base. An
  /// LM head and an embedding that share their storage in the base come as one tensor each if one
  /// of them is adapted.
  std::vector<NamedTensor> weights() const;
  /// Gradients under PEFT's names ("….lora_A.weight"), and of what else trains under its own.
  std::vector<NamedTensor> gradients() const;

  /// The masters of all that trains, under the names of `gradients()`: views.
  std::vector<NamedTensor> tensors() const;
  /// All adapters, in the order of the layout, tables last.
  std::vector<AdapterTensors> adapters() const;
  /// Rows of matrices that train on their own.
  std::vector<std::shared_ptr<const TokenRows>> token_rows() const {
    return {token_rows_.begin(), token_rows_.end()};
  }
  const ModelWeights<Storage>& base() const { return *base_; }
  const BasicLora<Storage>& policy() const { return policy_; }

  /// The gate of the model before training: the base with its own biases and modules to save (which
  /// are kept where they train), with the first adapters where they carry a part of it.
  class Reference;
  Reference reference() const { return Reference(*this); }

 private:
  using Adapters = SiteAdapters<Storage>;

  void build(const WeightSource* source);
  void plan();
  void plan_token_rows();
  void add_token_rows(const std::string& module, int table, int site,
                      std::vector<std::int64_t> ids);
  /// The matrix that the rows belong to, as it computes: [rows, columns].
  Tensor matrix_of(const TokenRows& rows) const;
  void allocate();
  void initialise(const WeightSource* source);
  void initialise(PartAdapter& part, Tensor a, int site, const WeightSource* source);
  void factor_quantization_error(PartAdapter& part, Tensor a, int site, const WeightSource& source);
  void keep_first();
  std::vector<NamedTensor> collect(Tensor ParameterView::*field) const;
  Tensor merged(const Adapters& site, const PartAdapter& part) const;
  const SiteSpec& spec(int site) const {
    return base_->layout().sites[static_cast<std::size_t>(site)];
  }
  const std::string& module(const Adapters& site, const PartAdapter& part) const {
    return spec(site.site()).parts[static_cast<std::size_t>(part.part)].name;
  }
  std::string module(const TableAdapter& adapter) const {
    const auto& tables = base_->layout().tables;
    return std::string(detail::module_of(tables[static_cast<std::size_t>(adapter.table)].name));
  }

  BasicLora<Storage> policy_;
  /// The base before training.
  const ModelWeights<Storage>& start() const { return start_ ? *start_ : *base_; }

  std::shared_ptr<ModelWeights<Storage>> base_;
  std::shared_ptr<const ModelWeights<Storage>> start_;  // null: nothing of the base trains
  std::vector<ParameterGroup> groups_;
  std::uint64_t version_ = 0;
  std::vector<std::shared_ptr<Adapters>> sites_;  // null: no adapter
  std::vector<std::shared_ptr<TableAdapter>> tables_;
  std::vector<std::shared_ptr<TokenRows>> token_rows_;
  std::vector<std::shared_ptr<Adapters>> first_;  // OLoRA, PiSSA, LoftQ: before training
  std::optional<KeyedDropout> dropout_;
};

template <class Storage>
class LoraState<Storage>::Reference {
 public:
  explicit Reference(const LoraState& state) : state_(&state) {}

  Tensor linear(int site, const Tensor& x) const {
    const auto index = static_cast<std::size_t>(site);
    if (state_->first_.empty() || !state_->first_[index]) return state_->start().linear(site, x);
    return state_->first_[index]->linear(x, std::nullopt);
  }
  Tensor embed(int table, const Tensor& ids) const { return state_->start().embed(table, ids); }
  Tensor vector(int index) const { return state_->start().vector(index); }
  const Tensor& anchor() const { return state_->base_->anchor(); }

 private:
  const LoraState* state_;
};

}  // namespace posttrain

#include "posttrain/params/lora/impl/state.hpp"
