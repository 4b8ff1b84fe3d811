// SPDX-License-Identifier: Apache-2.0
// A user's own torch::nn::Module as a model of the Trainer, and the parameter policy that trains
// it.
//
//   struct TinyLm : torch::nn::Module {
//     Tensor hidden(const Tensor& ids, const Tensor& positions, const Tensor& mask);  // → [T, d]
//     Tensor logits(const Tensor& rows);                                      // [n, d] → [n, V]
//   };
//   Trainer trainer(TorchModule(std::make_shared<TinyLm>(), vocab_size), NextToken{},
//                   TrainModule{}, Tokenized{.path = "tokens.jsonl"}, AdamW{}, options);
//
// Needs LibTorch's C++ front end, which no other header of the library includes. Gradients come
// from autograd; parameters are moved into flat buffers, of which the module's tensors become
// views. Differs from the library's own models in that attention gets a dense mask.
#pragma once

#include <torch/nn/module.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/check.hpp"
#include "posttrain/nn/model_call.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain::text {
class ChatTokenizer;
}

namespace posttrain::models {

/// [T, T] bool: entry (i, j) is true where row i may attend to row j, that is to itself and what
/// precedes it in its segment, and to all of the segment's ancestors. The form that
/// scaled_dot_product_attention takes.
inline Tensor dense_mask(const std::vector<Segment>& nodes) {
  std::int64_t rows = 0;
  for (const Segment& node : nodes) rows = std::max(rows, node.end);
  Tensor mask = at::zeros({rows, rows}, at::kBool);
  for (const AttentionPart& part : attention_parts(nodes)) {
    Tensor block = mask.narrow(0, part.q0, part.q1 - part.q0).narrow(1, part.k0, part.k1 - part.k0);
    block.fill_(true);
    if (part.causal) block.tril_();
  }
  return mask;
}

/// A module with
///   `Tensor hidden(ids [T] int64, positions [T] int64, mask [T, T] bool)` → [T, d], and
///   `Tensor logits(rows [n, d])` → [n, vocab_size].
/// T is the number of tokens of a whole packed micro-batch; positions and mask keep its sequences
/// apart. The module is shared with the caller. It is in training mode in the steps and in
/// evaluation mode in validation. Save it with torch::save; checkpoints of a run hold its
/// parameters.
template <std::derived_from<torch::nn::Module> Module>
class TorchModule {
  static constexpr bool ok = check_module<Module>();

 public:
  /// `text`: for data that is tokenized here, such as prompts of rollouts; null: for ids alone.
  TorchModule(std::shared_ptr<Module> module, std::int64_t vocab_size,
              std::shared_ptr<const text::ChatTokenizer> text = {})
      : module_(std::move(module)), text_(std::move(text)), vocab_size_(vocab_size) {
    if (!module_) fail("expected a module, got a null pointer");
    if (vocab_size_ < 1) raise("expected a vocabulary of at least 1 token, got {}", vocab_size_);
    const std::vector<Tensor> parameters = module_->parameters();
    if (!parameters.empty()) device_ = parameters[0].device();
  }

  Module& module() const { return *module_; }
  std::int64_t vocab_size() const { return vocab_size_; }
  at::Device device() const { return device_; }
  const text::ChatTokenizer* text() const { return text_.get(); }

  /// Final hidden states [T, d].
  Tensor hidden(const auto&, const TokenBatch& batch, const ModelCall& call = {}) const {
    if (call.gradient_checkpointing || call.neftune.alpha > 0.0) {
      fail(
          "gradient_checkpointing and neftune_noise_alpha are for the library's own models; hint: "
          "a torch::nn::Module does both itself, in its hidden()");
    }
    if (module_->is_training() != at::GradMode::is_enabled()) {
      module_->train(at::GradMode::is_enabled());
    }
    const Tensor positions = at::tensor(token_positions(batch.nodes), at::kLong).to(device_);
    Tensor rows;
    if constexpr (ok) {
      rows = module_->hidden(batch.ids, positions, dense_mask(batch.nodes).to(device_));
    }
    if (rows.dim() != 2 || rows.size(0) != batch.tokens()) {
      raise("expected hidden() of the module to return [{}, d], got {}", batch.tokens(),
            shape_text(rows));
    }
    return rows;
  }

  /// rows [n, d] → [n, vocab_size], fresh memory: the scores' backward pass overwrites it, and an
  /// operation of the module may keep its own result.
  Tensor logits(const auto&, const Tensor& rows) const {
    Tensor z;
    if constexpr (ok) z = module_->logits(rows);
    if (z.dim() != 2 || z.size(0) != rows.size(0) || z.size(1) != vocab_size_) {
      raise("expected logits() of the module to return [{}, {}], got {}", rows.size(0), vocab_size_,
            shape_text(z));
    }
    return z.requires_grad() ? z.clone() : z;
  }

 private:
  std::shared_ptr<Module> module_;
  std::shared_ptr<const text::ChatTokenizer> text_;
  std::int64_t vocab_size_;
  at::Device device_ = at::kCPU;
};

class ModuleState;

/// Trains every parameter of a module that requires a gradient. Weight decay applies to those of
/// two and more dimensions. fp32 and fp64 modules.
struct TrainModule {
  using State = ModuleState;
  static constexpr bool has_reference = false;

  constexpr void validate() const {}

  ModuleState attach(const auto& model) const;
};

/// Two flat buffers, of which the module's parameters and their `.grad` become views. The module
/// does its own projections, so this gate is not asked for any.
class ModuleState {
 public:
  explicit ModuleState(const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters()) {
      bool known = false;  // one tensor under two names: a tied head
      for (const NamedTensor& other : parameters_)
        known = known || other.value.is_same(item.value());
      if (!known) parameters_.push_back({item.key(), item.value()});
    }
    check();
    groups_ = {flatten("matrices", true), flatten("vectors", false)};
  }

  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  /// The masters are the module's own memory.
  void publish() { ++version_; }
  std::uint64_t weights_version() const { return version_; }

  /// Every parameter under its name in the module, frozen ones included.
  std::vector<NamedTensor> weights() const {
    std::vector<NamedTensor> all;
    for (const NamedTensor& parameter : parameters_) {
      all.push_back({parameter.name, parameter.value.detach()});
    }
    return all;
  }
  /// The accumulated gradients of the trained ones.
  std::vector<NamedTensor> gradients() const {
    std::vector<NamedTensor> all;
    for (const NamedTensor& parameter : parameters_) {
      if (parameter.value.requires_grad()) all.push_back({parameter.name, parameter.value.grad()});
    }
    return all;
  }

 private:
  void check() const {
    const NamedTensor* first = nullptr;
    for (const NamedTensor& parameter : parameters_) {
      if (!parameter.value.requires_grad()) continue;
      if (first == nullptr) first = &parameter;
      const at::ScalarType type = parameter.value.scalar_type();
      if (type != at::kFloat && type != at::kDouble) {
        raise(
            "expected float32 or float64 parameters, got {} in {}; hint: module->to(torch::kFloat)",
            c10::toString(type), parameter.name);
      }
      if (type != first->value.scalar_type() || parameter.value.device() != first->value.device()) {
        raise("expected parameters of one type on one device, got {} unlike {}", parameter.name,
              first->name);
      }
    }
    if (first == nullptr) fail("expected a module with a parameter that requires a gradient");
  }

  static std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

  ParameterGroup flatten(const char* name, bool matrices) {
    at::NoGradGuard no_grad;
    std::vector<Tensor*> chosen;
    std::int64_t size = 0;
    at::TensorOptions options;
    for (NamedTensor& parameter : parameters_) {
      if (!parameter.value.requires_grad()) continue;
      options = parameter.value.options().requires_grad(false);
      if ((parameter.value.dim() >= 2) != matrices) continue;
      chosen.push_back(&parameter.value);
      size += padded(parameter.value.numel());
    }
    ParameterGroup group;
    group.name = name;
    group.master = at::zeros({size}, options);
    group.value = group.master;
    group.grad = at::zeros({size}, options);
    group.decay = matrices;
    std::int64_t offset = 0;
    for (Tensor* parameter : chosen) {
      const auto view = [&](const Tensor& flat) {
        return flat.narrow(0, offset, parameter->numel()).view(parameter->sizes());
      };
      Tensor value = view(group.master);
      value.copy_(*parameter);
      const Tensor grad = view(group.grad);
      offset += padded(parameter->numel());
      parameter->set_data(value);
      parameter->mutable_grad() = grad;
    }
    return group;
  }

  std::vector<NamedTensor> parameters_;
  std::vector<ParameterGroup> groups_;
  std::uint64_t version_ = 0;
};

inline ModuleState TrainModule::attach(const auto& model) const {
  return ModuleState(model.module());
}

}  // namespace posttrain::models
