// SPDX-License-Identifier: Apache-2.0
// Soft prompts and prefixes as folders that PEFT reads and writes: adapter_config.json and
// adapter_model.safetensors with the one tensor "prompt_embeddings".
//
//   save(trainer, "prompt", "path/of/the/base");
//   Trainer trainer(model, NextToken{}, From<PromptTuning>{.folder = "prompt"}, …);   // goes on
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/io/model_card.hpp"
#include "posttrain/params/from.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/weights/peft_folder.hpp"

namespace posttrain {

namespace detail {

/// The content of a folder.
struct PromptFolder {
  std::string peft_type;
  std::string base_model{};  // base_model_name_or_path
  std::int64_t layers = 0;
  std::int64_t heads = 0;      // num_attention_heads: of keys and values for a prefix
  std::int64_t token_dim = 0;  // d, or Hkv · D for a prefix
  Tensor embeddings{};         // [n, …]
};

void write_prompt(const std::string& folder, const PromptFolder& content,
                  const io::ModelCard& card);

/// Peft_type and shape are checked, the number of virtual tokens is `embeddings.size(0)`.
PromptFolder read_prompt(const std::string& folder, const std::string& peft_type);

}  // namespace detail

/// Writes a soft prompt; `base_model` is the base's folder or name, `card` the README.md (`save` of
/// a Trainer has one).
template <class Storage>
void save(const PromptState<Storage>& state, const std::string& folder,
          const std::string& base_model = "", const io::ModelCard& card = {}) {
  const Tensor embeddings = state.tensors().at(0).value;
  const AttentionSpec& attention = state.base().layout().attention;
  detail::write_prompt(folder,
                       {state.kPeftType, base_model, attention.layers, attention.heads,
                        embeddings.size(1), embeddings},
                       card);
}

/// Writes a prefix; `base_model` and `card` as of a soft prompt.
template <class Storage>
void save(const PrefixState<Storage>& state, const std::string& folder,
          const std::string& base_model = "", const io::ModelCard& card = {}) {
  const AttentionSpec& attention = state.base().layout().attention;
  detail::write_prompt(folder,
                       {state.kPeftType, base_model, attention.layers, attention.kv_heads,
                        attention.kv_heads * attention.head_dim, state.tensors().at(0).value},
                       card);
}

/// `BasicPromptTuning` with the prompt of a folder.
template <class Storage>
struct From<BasicPromptTuning<Storage>> {
  using State = PromptState<Storage>;
  static constexpr bool has_reference = true;
  static constexpr bool saves_model = false;

  LiteralString folder = "";
  Storage storage{};

  constexpr void validate() const {
    if (folder.view().empty()) {
      fail("posttrain: From<PromptTuning>.folder must name an adapter's folder");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    const Tensor embeddings = detail::read_prompt(folder.str(), State::kPeftType).embeddings;
    const BasicPromptTuning<Storage> policy{
        .num_virtual_tokens = embeddings.size(0), .init = PromptInit::random, .storage = storage};
    State state(WeightSource::of(model), policy, {});
    detail::copy_tensors(folder.str(), {{"prompt_embeddings", embeddings}}, state.tensors());
    state.publish();
    return state;
  }
};

/// `BasicPrefixTuning` with the prefix of a folder.
template <class Storage>
struct From<BasicPrefixTuning<Storage>> {
  using State = PrefixState<Storage>;
  static constexpr bool has_reference = true;
  static constexpr bool saves_model = false;

  LiteralString folder = "";
  Storage storage{};

  constexpr void validate() const {
    if (folder.view().empty()) {
      fail("posttrain: From<PrefixTuning>.folder must name an adapter's folder");
    }
    storage.validate();
  }

  State attach(const auto& model) const {
    const detail::PromptFolder content = detail::read_prompt(folder.str(), State::kPeftType);
    State state(WeightSource::of(model), {.num_virtual_tokens = content.embeddings.size(0),
                                          .init = PrefixInit::zero,
                                          .storage = storage});
    const AttentionSpec& attention = state.base().layout().attention;
    // Another number of heads can have the same shape. None is the model's, as in PEFT.
    if (content.heads > 0 && content.heads != attention.kv_heads) {
      raise(
          "{}: expected num_attention_heads {}, found {}; hint: does the prefix belong to this "
          "model?",
          folder.view(), attention.kv_heads, content.heads);
    }
    detail::copy_tensors(folder.str(), {{"prompt_embeddings", content.embeddings}},
                         state.tensors());
    state.publish();
    return state;
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/prompt/impl/files.ipp"
#endif
