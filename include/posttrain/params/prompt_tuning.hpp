// SPDX-License-Identifier: Apache-2.0
// Prompt tuning: n trained vectors before every sequence, all weights frozen (arXiv 2104.08691).
//
//   PromptTuning{.num_virtual_tokens = 8, .init = PromptInit::text, .init_text = "Classify: "}
//   BasicPromptTuning<Nf4>{}                                            on a base in 4 bits
//
// Names are PEFT's PromptTuningConfig. The prompt is computed once per micro-batch, as the parent
// of every sequence, with the exact gradient; PEFT repeats it in every row. A sequence's first
// token is not scored unless the batch lists it; PEFT's labels score it behind the last virtual
// token. Files: params/prompt/files.hpp.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/params/lora/init.hpp"
#include "posttrain/params/prompt/init.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/storage/dense.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

template <class Storage>
class PromptState;

template <class Storage = Dense>
struct BasicPromptTuning {
  using State = PromptState<Storage>;
  static constexpr bool has_reference = true;
  static constexpr bool saves_model = false;  // the checkpoint of a model has no place for a prompt

  std::int64_t num_virtual_tokens = 20;
  PromptInit init = PromptInit::sample_vocab;
  LiteralString init_text = "";
  std::uint64_t seed = 0;  // of random and sample_vocab
  Storage storage{};

  constexpr void validate() const {
    if (num_virtual_tokens < 1) {
      fail("posttrain: PromptTuning.num_virtual_tokens must be at least 1");
    }
    if ((init == PromptInit::text) == init_text.view().empty()) {
      fail("posttrain: PromptTuning.init_text goes with PromptInit::text, and only with it");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    TokenIds ids;
    if (init == PromptInit::text) {
      ids = prompt_init::of_text(model, init_text.str(), num_virtual_tokens);
    } else if (init == PromptInit::sample_vocab) {
      ids = prompt_init::sample_vocab(num_virtual_tokens, model.layout().tables.at(0).rows, seed);
    }
    return State(WeightSource::of(model), *this, ids);
  }
};

using PromptTuning = BasicPromptTuning<>;

/// The gate of `BasicPromptTuning`.
template <class Storage>
class PromptState {
 public:
  static constexpr const char* kPeftType = "PROMPT_TUNING";

  /// `ids`: whose embeddings the prompt starts as; none: random.
  PromptState(const WeightSource& source, const BasicPromptTuning<Storage>& policy,
              const TokenIds& ids);

  // --- the gate --------------------------------------------------------------------------------
  Tensor linear(int site, const Tensor& x) const { return base_.linear(site, x); }
  Tensor vector(int index) const { return base_.vector(index); }
  const Tensor& anchor() const { return base_.anchor(); }
  /// Ids vocab … vocab + n − 1 of table 0 are the prompt's rows.
  Tensor embed(int table, const Tensor& ids) const {
    if (table != 0) return base_.embed(table, ids);
    return with_prompt_rows(base_.embed(table, ids.clamp_max(vocab() - 1)), ids, vocab(), prompt_,
                            anchor());
  }

  // --- virtual tokens --------------------------------------------------------------------------
  std::int64_t virtual_tokens() const { return policy_.num_virtual_tokens; }
  /// The batch with the prompt before its sequences.
  template <std::derived_from<TokenBatch> Batch>
  Batch prepare(const Batch& batch) const {
    Batch read = batch;
    add_prompt_segments(read, virtual_tokens(), vocab(),
                        !base_.layout().attention.length_dependent);
    return read;
  }
  /// Ids that a decoder reads first, beyond the vocabulary.
  TokenIds prompt_ids() const;

  // --- what trains -----------------------------------------------------------------------------
  std::vector<ParameterGroup>& trainable() { return groups_; }
  const std::vector<ParameterGroup>& trainable() const { return groups_; }
  void publish();
  std::uint64_t weights_version() const { return version_ + base_.weights_version(); }

  /// An error: a model's checkpoint has no place for a prompt.
  [[noreturn]] std::vector<NamedTensor> weights() const {
    fail(
        "a model's folder cannot hold a prompt, which would be lost; hint: save(state, "
        "folder, base) writes it as PEFT does");
  }
  /// "prompt_embeddings" [n, d], PEFT's name.
  std::vector<NamedTensor> gradients() const { return {{"prompt_embeddings", prompt_.grad}}; }
  /// The masters, under the names of `gradients()`: views.
  std::vector<NamedTensor> tensors() const { return {{"prompt_embeddings", prompt_.master}}; }

  const ModelWeights<Storage>& base() const { return base_; }
  const BasicPromptTuning<Storage>& policy() const { return policy_; }
  /// The gate of the model without a prompt; it takes batches as they are.
  const ModelWeights<Storage>& reference() const { return base_; }

 private:
  std::int64_t vocab() const { return base_.layout().tables[0].rows; }

  BasicPromptTuning<Storage> policy_;
  ModelWeights<Storage> base_;
  std::vector<ParameterGroup> groups_;
  std::uint64_t version_ = 0;
  ParameterView prompt_;  // [n, d], as it enters the model: scaled where lookups are
};

template <class Storage>
PromptState<Storage>::PromptState(const WeightSource& source,
                                  const BasicPromptTuning<Storage>& policy, const TokenIds& ids)
    : policy_(policy), base_(source, policy.storage, [](std::string_view) { return false; }) {
  at::NoGradGuard no_grad;
  const TableSpec& table = base_.layout().tables.at(0);
  ParameterBuffer buffer;
  const int index = buffer.add({policy.num_virtual_tokens, table.columns});
  groups_.push_back(buffer.allocate("prompt_embeddings", base_.dtype(), base_.device(), true));
  prompt_ = buffer.view(index);
  if (ids.empty()) {
    lora_init::normal_(prompt_.master, 1.0, policy.seed, "prompt_embeddings");
  } else {
    const Tensor rows = base_.table(0).exact().index_select(
        0, at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()), at::kLong)
               .to(base_.device()));
    const Tensor scale = at::full({}, table.lookup_scale, rows.options());  // rounded
    prompt_.master.copy_(rows.to(prompt_.master.scalar_type()) * scale);
  }
  publish();
}

template <class Storage>
TokenIds PromptState<Storage>::prompt_ids() const {
  TokenIds ids;
  for (std::int64_t i = 0; i < virtual_tokens(); ++i) {
    ids.push_back(static_cast<TokenId>(vocab() + i));
  }
  return ids;
}

template <class Storage>
void PromptState<Storage>::publish() {
  at::NoGradGuard no_grad;
  version_ += 1;
  for (ParameterGroup& group : groups_) {
    if (!group.value.is_same(group.master)) group.value.copy_(group.master);
  }
}

}  // namespace posttrain
