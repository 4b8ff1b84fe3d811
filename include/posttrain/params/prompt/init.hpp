// SPDX-License-Identifier: Apache-2.0
// Where a soft prompt or a prefix starts: the token ids that it is made of at first.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// First values of a soft prompt (PEFT's prompt_tuning_init).
enum class PromptInit {
  random,        // normal with deviation 1 (PEFT's default): far from any token's embedding
  text,          // the embeddings of init_text's tokens, cut or repeated to the prompt's length
  sample_vocab,  // the embeddings of tokens drawn uniformly from the vocabulary
};

namespace prompt_init {

/// `count` ids, each drawn uniformly from the vocabulary.
inline TokenIds sample_vocab(std::int64_t count, std::int64_t vocab, std::uint64_t seed) {
  Philox4x32 generator(seed, stream_of("sample_vocab"));
  TokenIds ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<TokenId>(generator.below(static_cast<std::uint64_t>(vocab))));
  }
  return ids;
}

/// The tokens of a text, special ones that the tokenizer adds included (as PEFT), cut or repeated
/// to `count`.
template <class Model>
TokenIds of_text(const Model& model, const std::string& text, std::int64_t count) {
  TokenIds ids;
  if constexpr (requires { model.text()->tokenizer(); }) {
    if (model.text()) ids = model.text()->tokenizer().encode(text, /*add_special_tokens=*/true);
    if (model.text() && ids.empty()) raise("init_text \"{}\" has no tokens", text);
  }
  if (ids.empty()) {
    fail("init_text expected a model with a tokenizer; hint: hub::PretrainedDecoder has one");
  }
  const std::size_t length = ids.size();
  for (std::size_t i = length; i < static_cast<std::size_t>(count); ++i) {
    ids.push_back(ids[i % length]);
  }
  ids.resize(static_cast<std::size_t>(count));
  return ids;
}

}  // namespace prompt_init

}  // namespace posttrain
