// SPDX-License-Identifier: Apache-2.0
// The LoRA family: y = W x + s · B A dropout(x) with W frozen in any storage (arXiv 2106.09685).
//
//   Lora{.rank = 16, .alpha = 32}                                   all linear layers
//   Lora{.target_modules = "q_proj, v_proj", .use_rslora = true}    s = α / √r (2312.03732)
//   Lora{.use_dora = true}                                          DoRA (2402.09353)
//   Lora{.init = LoraInit::olora}                                   OLoRA (2406.01775)
//   QLora{.rank = 64}                                               the base in 4 bits (2305.14314)
//
// Names and defaults are PEFT's LoraConfig. Differences: adapters compute in the model's dtype from
// fp32 masters (PEFT casts activations to fp32 instead); dropout is keyed by token, so packing and
// recomputation do not change it; saving OLoRA and PiSSA gives a plain adapter of the original
// base.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "posttrain/params/dense.hpp"
#include "posttrain/params/lora_adapters.hpp"
#include "posttrain/params/lora_options.hpp"
#include "posttrain/params/model_weights_impl.hpp"

namespace posttrain {

template <class Storage>
class LoraState;

template <class Storage = Dense>
struct BasicLora {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  std::int64_t rank = 8;                        // r
  double alpha = 8.0;                           // s = alpha / r
  double dropout = 0.0;                         // of what A sees
  LiteralString target_modules = "all-linear";  // patterns, or all sites but the LM head
  LiteralString exclude_modules = "";
  LiteralString rank_pattern = "";   // "down_proj=4, layers.0-3=32": another rank there
  LiteralString alpha_pattern = "";  // likewise
  bool use_rslora = false;           // s = alpha / √r
  bool use_dora = false;             // magnitude and direction apart
  LoraInit init = LoraInit::kaiming;
  LoraBias bias = LoraBias::none;
  LiteralString modules_to_save = "";  // patterns of tensors that are trained fully
  double loraplus_lr_ratio = 1.0;      // learning rate of B over that of A (2402.12354)
  std::uint64_t seed = 0;              // of A
  Storage storage{};

  constexpr void validate() const {
    if (!(rank >= 1)) fail("posttrain: Lora.rank must be at least 1");
    if (!(alpha > 0.0)) fail("posttrain: Lora.alpha must be positive");
    if (!(dropout >= 0.0 && dropout < 1.0)) fail("posttrain: Lora.dropout must be in [0, 1)");
    if (!(loraplus_lr_ratio > 0.0)) fail("posttrain: Lora.loraplus_lr_ratio must be positive");
    if (target_modules.view().empty()) fail("posttrain: Lora.target_modules must select something");
    if (use_dora && (init == LoraInit::olora || init == LoraInit::pissa)) {
      fail("posttrain: Lora.use_dora goes with LoraInit::kaiming and gaussian only");
    }
    storage.validate();
  }

  /// Whether a part of a site gets an adapter.
  bool targets(const Site& site, std::string_view part) const {
    const bool wanted = target_modules.view() == "all-linear"
                            ? !site.head
                            : matches_any(target_modules.view(), part);
    return wanted && !matches_any(exclude_modules.view(), part);
  }

  std::int64_t rank_of(std::string_view part) const {
    return detail::number_for(rank_pattern.view(), part, rank);
  }
  double scale_of(std::string_view part) const {
    const double a = detail::number_for(alpha_pattern.view(), part, alpha);
    const auto r = static_cast<double>(rank_of(part));
    return use_rslora ? a / std::sqrt(r) : a / r;
  }

  State attach(const auto& model) const { return State(WeightSource::of(model), *this); }
};

using Lora = BasicLora<>;

/// One adapter as files hold it.
struct AdapterTensors {
  std::string module;  // name of the adapted matrix without ".weight"
  double scale = 1.0;
  Tensor a, b;       // [r, in], [out, r], masters
  Tensor magnitude;  // [out] or undefined
  Tensor a0, b0;     // first values, where the base gave up s · b0 a0; else undefined
};

/// The gate of `BasicLora`.
template <class Storage>
class LoraState {
 public:
  LoraState(const WeightSource& source, const BasicLora<Storage>& policy);

  // --- the gate --------------------------------------------------------------------------------
  Tensor linear(int site, const Tensor& x) const {
    const auto& adapters = sites_[static_cast<std::size_t>(site)];
    return adapters ? adapters->linear(x, dropout_) : base_.linear(site, x);
  }
  Tensor embed(int table, const Tensor& ids) const { return base_.embed(table, ids); }
  Tensor vector(int index) const { return base_.vector(index); }
  const Tensor& anchor() const { return base_.anchor(); }

  /// Dropout is on between `begin_batch` and `end_batch`: its mask is keyed by the batch's tokens.
  void begin_batch(const TokenBatch& batch, std::uint64_t seed, std::int64_t step);
  void end_batch() { dropout_.reset(); }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish();

  /// The merged model under the checkpoint's names: W + s B A in fp32 from the pristine base.
  std::vector<NamedTensor> weights() const;
  /// Gradients under PEFT's names ("….lora_A.weight"), and of what else trains under its own.
  std::vector<NamedTensor> gradients() const;

  /// The masters of all that trains, under the names of `gradients()`: views.
  std::vector<NamedTensor> tensors() const;
  /// All adapters, in the order of the layout.
  std::vector<AdapterTensors> adapters() const;
  const ModelWeights<Storage>& base() const { return base_; }
  const BasicLora<Storage>& policy() const { return policy_; }

  /// The gate of the model before training: the base, with the first adapters where they carry a
  /// part of it.
  class Reference;
  Reference reference() const { return Reference(*this); }

 private:
  using Adapters = SiteAdapters<Storage>;

  TensorSelection also_trained(const WeightSource& source) const;
  void plan();
  void allocate();
  void initialise();
  void initialise(PartAdapter& part, Tensor a, int site, std::string_view name);
  std::vector<NamedTensor> collect(Tensor ParameterView::*field) const;
  const std::string& module(const Adapters& site, const PartAdapter& part) const {
    return base_.layout()
        .sites[static_cast<std::size_t>(site.site())]
        .parts[static_cast<std::size_t>(part.part)]
        .name;
  }

  BasicLora<Storage> policy_;
  ModelWeights<Storage> base_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::shared_ptr<Adapters>> sites_;  // null: no adapter
  std::vector<std::shared_ptr<Adapters>> first_;  // OLoRA, PiSSA: the adapters before training
  std::optional<KeyedDropout> dropout_;
};

template <class Storage>
class LoraState<Storage>::Reference {
 public:
  explicit Reference(const LoraState& state) : state_(&state) {}

  Tensor linear(int site, const Tensor& x) const {
    const auto index = static_cast<std::size_t>(site);
    if (state_->first_.empty() || !state_->first_[index]) return state_->base_.linear(site, x);
    return state_->first_[index]->linear(x, std::nullopt);
  }
  Tensor embed(int table, const Tensor& ids) const { return state_->base_.embed(table, ids); }
  Tensor vector(int index) const { return state_->base_.vector(index); }
  const Tensor& anchor() const { return state_->base_.anchor(); }

 private:
  const LoraState* state_;
};

}  // namespace posttrain

#include "posttrain/params/lora_impl.hpp"
