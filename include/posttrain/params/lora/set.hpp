// SPDX-License-Identifier: Apache-2.0
// Several adapters on one frozen base, by name (PEFT's PeftModel with several adapters).
//
//   AdapterSet set(model);                       // the base, once; AdapterSet<Nf4>: in 4 bits
//   set.add("math", Lora{.rank = 16});           // a fresh adapter
//   set.load("code", "adapters/code");           // one of a folder
//   model.hidden(set.gate("math"), batch);       // each is a gate of its own
//   Trainer trainer(model, NextToken{}, set.train("math"), …);   // trains this one
//   save(set, "adapters");
//
// There is no active adapter: whoever computes says which gate. Adapters that train something of
// the base (biases, modules_to_save) or replace it (OLoRA, PiSSA, LoftQ) cannot share it and are
// refused.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/files.hpp"

namespace posttrain {

template <class Storage>
struct TrainAdapter;

/// How `AdapterSet::combine` adds adapters up (PEFT's combination_type).
enum class Combination {
  linear,  // factor by factor, each times the root of its weight: as cheap as one, cross terms
           // arise
  cat,     // one below another: exactly Σ w s B A, of the sum of the ranks
};

/// A copy shares everything with its original.
template <class Storage = Dense>
class AdapterSet {
 public:
  using State = LoraState<Storage>;

  AdapterSet() = default;
  template <class Model>
  explicit AdapterSet(const Model& model, const Storage& storage = {})
      : base_(std::make_shared<ModelWeights<Storage>>(WeightSource::of(model), storage,
                                                      [](std::string_view) { return false; })),
        adapters_(std::make_shared<std::map<std::string, State>>()) {}

  /// A fresh adapter.
  State& add(const std::string& name, const BasicLora<>& policy) {
    policy.validate();
    const std::shared_ptr<ModelWeights<Storage>> shared = base(name);
    policy.check_patterns(shared->layout());
    return insert(name, State(shared, with_storage(policy, Storage{})));
  }

  /// The adapter of a folder that `save` or PEFT wrote.
  State& load(const std::string& name, const std::string& folder) {
    const detail::SavedAdapter saved = detail::read_adapter(folder);
    const std::shared_ptr<ModelWeights<Storage>> shared = base(name);
    detail::check_adapted_modules(folder, saved, shared->layout());
    State state(shared, with_storage(saved.policy, Storage{}));
    detail::fill_adapter(state, folder, saved);
    return insert(name, std::move(state));
  }

  /// All adapters of a folder in PEFT's layout: "default" is its own files, others are subfolders.
  /// Returns their names.
  std::vector<std::string> load_all(const std::string& folder) {
    std::vector<std::string> found;
    for (const auto& [name, path] : detail::adapter_folders(folder)) {
      load(name, path);
      found.push_back(name);
    }
    return found;
  }

  /// Writes all adapters in that layout, as a whole or not at all. What else `folder` holds is an
  /// error. `base_model` is the base's folder or name.
  friend void save(const AdapterSet& set, const std::string& folder,
                   const std::string& base_model = "") {
    std::map<std::string, detail::AdapterFolder> contents;
    for (const auto& [name, state] : *set.adapters_) {
      contents.emplace(name, detail::adapter_content(state, base_model));
    }
    detail::write_adapters(folder, contents);
  }

  void remove(const std::string& name) {
    gate(name);
    adapters_->erase(name);
  }

  State& gate(const std::string& name) { return find(name); }
  const State& gate(const std::string& name) const { return find(name); }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    if (adapters_) {
      for (const auto& [name, state] : *adapters_) all.push_back(name);
    }
    return all;
  }

  /// The frozen base: a gate too.
  const ModelWeights<Storage>& base() const { return *base_; }

  /// A policy that trains one adapter of the set; the others and the base stay.
  TrainAdapter<Storage> train(const std::string& name) const { return {*this, name}; }

  /// A new adapter Σ weight · adapter (PEFT's add_weighted_adapter). Modules that some of them do
  /// not adapt take part with the others. Its own s is 1.
  State& combine(const std::string& name, const std::vector<std::pair<std::string, double>>& terms,
                 Combination combination = Combination::cat);

  std::string description() const { return "adapters " + join(names(), ", "); }

 private:
  /// Factors of one module, weighted.
  struct Sum {
    Tensors a, b;
  };

  State& find(const std::string& name) const {
    const auto found = adapters_->find(name);
    if (found == adapters_->end()) {
      raise("expected the name of an adapter of the set ({}), got \"{}\"", join(names(), ", "),
            name);
    }
    return found->second;
  }

  /// The base, for a new adapter of this name.
  std::shared_ptr<ModelWeights<Storage>> base(const std::string& name) const {
    if (!base_) fail("an AdapterSet without a model has no adapters; hint: AdapterSet set(model)");
    if (name.empty() || name.find_first_of("./\\") != std::string::npos) {
      raise("expected an adapter's name without dots and slashes, got \"{}\"", name);
    }
    if (adapters_->contains(name)) {
      raise("the set has an adapter \"{}\" already; hint: remove it first", name);
    }
    return base_;
  }

  State& insert(const std::string& name, State state) {
    return adapters_->emplace(name, std::move(state)).first->second;
  }

  std::shared_ptr<ModelWeights<Storage>> base_;
  std::shared_ptr<std::map<std::string, State>> adapters_;
};

template <class Storage>
LoraState<Storage>& AdapterSet<Storage>::combine(
    const std::string& name, const std::vector<std::pair<std::string, double>>& terms,
    Combination combination) {
  at::NoGradGuard no_grad;
  const auto shared = base(name);
  if (terms.empty()) fail("AdapterSet::combine expected at least one adapter");
  std::map<std::string, Sum> sums;
  for (const auto& [term, weight] : terms) {
    if (!find(term).token_rows().empty()) {
      raise("AdapterSet::combine expected adapters without trainable tokens, got \"{}\"", term);
    }
    for (const AdapterTensors& adapter : find(term).adapters()) {
      if (adapter.magnitude.defined()) {
        raise("AdapterSet::combine expected adapters without DoRA, got \"{}\"", term);
      }
      Sum& sum = sums[adapter.module];
      const double factor = weight * adapter.scale;
      if (combination == Combination::cat) {
        sum.a.push_back(adapter.a * factor);
        sum.b.push_back(adapter.b);
        continue;
      }
      const double root = std::sqrt(std::abs(factor));
      if (sum.a.empty()) {
        sum.a.push_back(at::zeros_like(adapter.a));
        sum.b.push_back(at::zeros_like(adapter.b));
      }
      if (sum.a[0].size(0) != adapter.a.size(0)) {
        raise(
            "Combination::linear expected equal ranks, got {} and {} of {}; hint: "
            "Combination::cat",
            sum.a[0].size(0), adapter.a.size(0), adapter.module);
      }
      sum.a[0].add_(adapter.a, factor < 0 ? -root : root);
      sum.b[0].add_(adapter.b, root);
    }
  }
  std::vector<std::string> modules, ranks;
  for (auto& [module, sum] : sums) {
    sum = {{at::cat(sum.a)}, {at::cat(sum.b, 1)}};
    modules.push_back(module);
    ranks.push_back(fmt::format("{}={}", module, sum.a[0].size(0)));
  }
  BasicLora<Storage> policy;
  policy.target_modules = join(modules, ",");
  policy.rank_pattern = policy.alpha_pattern = join(ranks, ",");
  State state(shared, policy);
  for (const AdapterTensors& adapter : state.adapters()) {
    Tensor a = adapter.a, b = adapter.b;
    a.copy_(sums.at(adapter.module).a[0]);
    b.copy_(sums.at(adapter.module).b[0]);
  }
  state.publish();
  return insert(name, std::move(state));
}

/// Trains one adapter of a set (`AdapterSet::train`); its values are the set's own.
template <class Storage = Dense>
struct TrainAdapter {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  AdapterSet<Storage> set{};
  std::string name{};

  State attach(const auto& model) const {
    const State& state = set.gate(name);
    const ModelWeights<Storage>& base = state.base();
    if (!(base.layout() == model.layout()) || base.dtype() != model.dtype() ||
        base.device() != model.device()) {
      raise("adapter \"{}\" expected the model that its set was made for, got another one", name);
    }
    return state;
  }
};

}  // namespace posttrain
