// SPDX-License-Identifier: Apache-2.0
// Prefix tuning: n trained keys and values per layer before every sequence, all weights frozen
// (arXiv 2101.00190).
//
//   PrefixTuning{.num_virtual_tokens = 8, .init = PrefixInit::text, .init_text = "Classify: "}
//
// Names are PEFT's PrefixTuningConfig without its projection: keys and values are the parameters
// themselves. Keys are stored as attention takes them, after the rotation, as PEFT's are. Unlike
// there, gradient checkpointing works, and a prefix can start as the keys and values of tokens.
// Files: params/prompt/files.hpp.
#pragma once

#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/params/lora/init.hpp"
#include "posttrain/params/prompt/init.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/storage/dense.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

template <class Storage>
class PrefixState;

/// First keys and values of a prefix.
enum class PrefixInit {
  random,        // normal with deviation 1 (PEFT's default)
  zero,          // PEFT's init_weights="zero": attention is shared with n keys that say nothing
  text,          // those of init_text's tokens: the model starts as if it had read the text
  sample_vocab,  // those of a sequence of tokens drawn uniformly from the vocabulary
};

template <class Storage = Dense>
struct BasicPrefixTuning {
  using State = PrefixState<Storage>;
  static constexpr bool has_reference = true;
  static constexpr bool saves_model = false;  // the checkpoint of a model has no place for a prefix

  std::int64_t num_virtual_tokens = 20;
  PrefixInit init = PrefixInit::sample_vocab;
  LiteralString init_text = "";
  std::uint64_t seed = 0;  // of random and sample_vocab
  Storage storage{};

  constexpr void validate() const {
    if (num_virtual_tokens < 1) {
      fail("posttrain: PrefixTuning.num_virtual_tokens must be at least 1");
    }
    if ((init == PrefixInit::text) == init_text.view().empty()) {
      fail("posttrain: PrefixTuning.init_text goes with PrefixInit::text, and only with it");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    State state(WeightSource::of(model), *this);
    if (init == PrefixInit::text) {
      state.read(model, prompt_init::of_text(model, init_text.str(), num_virtual_tokens));
    } else if (init == PrefixInit::sample_vocab) {
      state.read(model, prompt_init::sample_vocab(num_virtual_tokens,
                                                  model.layout().tables.at(0).rows, seed));
    }
    return state;
  }
};

using PrefixTuning = BasicPrefixTuning<>;

/// The gate of `BasicPrefixTuning`.
template <class Storage>
class PrefixState {
 public:
  static constexpr const char* kPeftType = "PREFIX_TUNING";

  /// Random, or zero.
  PrefixState(const WeightSource& source, const BasicPrefixTuning<Storage>& policy);

  /// Makes the prefix the keys and values of these tokens.
  void read(const auto& model, const TokenIds& ids);

  // --- the gate --------------------------------------------------------------------------------
  Tensor linear(int site, const Tensor& x) const { return base_.linear(site, x); }
  Tensor vector(int index) const { return base_.vector(index); }
  const Tensor& anchor() const { return base_.anchor(); }
  Tensor embed(int table, const Tensor& ids) const { return base_.embed(table, ids); }
  /// Keys and values [n, Hkv, D] that every query of the layer sees first.
  std::pair<Tensor, Tensor> prefix(int layer) const {
    return {tracked(slice(prefix_.value, layer, 0), slice(prefix_.grad, layer, 0), anchor()),
            tracked(slice(prefix_.value, layer, 1), slice(prefix_.grad, layer, 1), anchor())};
  }

  // --- virtual tokens --------------------------------------------------------------------------
  std::int64_t virtual_tokens() const { return policy_.num_virtual_tokens; }
  /// The batch with positions behind the prefix.
  template <std::derived_from<TokenBatch> Batch>
  Batch prepare(const Batch& batch) const {
    Batch read = batch;
    add_prefix_positions(read, virtual_tokens());
    return read;
  }

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish();
  std::uint64_t weights_version() const { return version_ + base_.weights_version(); }

  /// An error: a model's checkpoint has no place for a prefix.
  [[noreturn]] std::vector<NamedTensor> weights() const {
    fail(
        "a model's folder cannot hold a prefix, which would be lost; hint: save(state, "
        "folder, base) writes it as PEFT does");
  }
  /// "prompt_embeddings" [n, layers · 2 · Hkv · D], PEFT's name and form: for each token and layer
  /// the keys, then the values.
  std::vector<NamedTensor> gradients() const {
    return {{"prompt_embeddings", prefix_.grad.flatten(1)}};
  }
  /// The masters, under the names of `gradients()`: views.
  std::vector<NamedTensor> tensors() const {
    return {{"prompt_embeddings", prefix_.master.flatten(1)}};
  }

  const ModelWeights<Storage>& base() const { return base_; }
  const BasicPrefixTuning<Storage>& policy() const { return policy_; }
  /// The gate of the model without a prefix; it takes batches as they are.
  const ModelWeights<Storage>& reference() const { return base_; }

 private:
  static Tensor slice(const Tensor& all, int layer, int half) {
    return all.select(1, layer).select(1, half);
  }

  BasicPrefixTuning<Storage> policy_;
  ModelWeights<Storage> base_;
  std::vector<ParameterGroup> groups_;
  std::uint64_t version_ = 0;
  ParameterView prefix_;  // [n, layers, 2, Hkv, D]
};

template <class Storage>
PrefixState<Storage>::PrefixState(const WeightSource& source,
                                  const BasicPrefixTuning<Storage>& policy)
    : policy_(policy), base_(source, policy.storage, [](std::string_view) { return false; }) {
  at::NoGradGuard no_grad;
  const AttentionSpec& attention = base_.layout().attention;
  if (attention.layers == 0) {
    fail(
        "PrefixTuning expected a model whose layout describes its attention, got none; hint: "
        "PromptTuning needs an embedding only");
  }
  ParameterBuffer buffer;
  const int index = buffer.add(
      {policy.num_virtual_tokens, attention.layers, 2, attention.kv_heads, attention.head_dim});
  groups_.push_back(buffer.allocate("prompt_embeddings", base_.dtype(), base_.device(), true));
  prefix_ = buffer.view(index);
  if (policy.init == PrefixInit::random) {
    lora_init::normal_(prefix_.master, 1.0, policy.seed, "prompt_embeddings");
  }
  publish();
}

template <class Storage>
void PrefixState<Storage>::read(const auto& model, const TokenIds& ids) {
  at::NoGradGuard no_grad;
  const Tensor wide =
      at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()), at::kLong).to(base_.device());
  if constexpr (requires { model.keys_and_values(base_, wide); }) {
    const auto layers = model.keys_and_values(base_, wide);
    for (int layer = 0; layer < static_cast<int>(layers.size()); ++layer) {
      const auto& [k, v] = layers[static_cast<std::size_t>(layer)];
      slice(prefix_.master, layer, 0).copy_(k);
      slice(prefix_.master, layer, 1).copy_(v);
    }
    publish();
  } else {
    fail(
        "PrefixInit::text and sample_vocab expected a model with `keys_and_values(gate, ids)`; "
        "hint: PrefixInit::random and zero need none");
  }
}

template <class Storage>
void PrefixState<Storage>::publish() {
  at::NoGradGuard no_grad;
  version_ += 1;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
}

}  // namespace posttrain
