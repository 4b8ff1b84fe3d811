// SPDX-License-Identifier: Apache-2.0
// Plain documents for (continued) pre-training: JSON Lines of {"document": …}, .txt files, or a
// folder of them.
//
// A document is tokenised with the end-of-sequence token behind it. A long one is cut into blocks
// of `block_size`, short ones stay whole and are packed: no token is predicted from another
// document, nor from another block (transformers' run_clm joins all and predicts across documents).
// So the first token of a block is not scored.
#pragma once

#include "posttrain/core/literal_string.hpp"
#include "posttrain/data/document_source.hpp"
#include "posttrain/data/packing.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

/// The id of a special token that an option asks for.
inline TokenId special_token(const text::ChatTokenizer& text, const std::string& token,
                             const char* option) {
  const std::optional<TokenId> id = text.tokenizer().id(token);
  if (token.empty() || !id) {
    raise(
        "Documents.{} needs a special token that the tokenizer's files do not name; hint: set "
        "it in tokenizer_config.json, or {} = false",
        option, option);
  }
  return *id;
}

}  // namespace detail

template <class Packer = FirstFitDecreasing>
struct BasicDocuments {
  LiteralString path{};         // .jsonl, .json, .txt, or a folder of such files
  std::int64_t block_size = 0;  // longest sequence in tokens; 0: whole documents
  LiteralString document_column = "document";
  LiteralString delimiter{};  // between the documents of a .txt file; empty: one per file
  bool append_eos = true;
  bool prepend_bos = false;       // at a document's start (not at each block's)
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the documents, in [0, 1)
  LiteralString validation_path{};
  Packer packing{};

  constexpr void validate() const {
    validate_source(source());
    if (block_size < 0 || block_size == 1 || block_size == 2) {
      fail("posttrain: Documents.block_size must be 0 (whole documents) or at least 3");
    }
  }

  LoadedData load(const LoadContext& context) const {
    validate();
    if (context.text == nullptr) {
      fail("Documents needs a tokenizer; hint: the model's folder must hold a tokenizer.json");
    }
    if (context.max_seq_len > 0 && block_size > context.max_seq_len) {
      raise("block_size = {} is more than max_seq_len = {}: every full block would be dropped",
            block_size, context.max_seq_len);
    }
    const text::ChatTokenizer& text = *context.text;
    TokenIds before, after;
    if (prepend_bos) before.push_back(detail::special_token(text, text.bos_token(), "prepend_bos"));
    if (append_eos) after.push_back(detail::special_token(text, text.eos_token(), "append_eos"));
    const auto open = [&](std::string_view from) {
      return document_samples(from, delimiter.view());
    };
    return load_samples(source(), context, open, [&](const Json& sample) {
      TokenIds ids = before;
      const TokenIds body = text.tokenizer().encode(document_text(sample, document_column.view()));
      ids.insert(ids.end(), body.begin(), body.end());
      ids.insert(ids.end(), after.begin(), after.end());
      return document_blocks(ids, block_size);
    });
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view()};
  }
};

using Documents = BasicDocuments<>;

}  // namespace posttrain::data
