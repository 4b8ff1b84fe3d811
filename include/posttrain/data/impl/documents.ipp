// SPDX-License-Identifier: Apache-2.0
// Definitions of documents.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/document_blocks.hpp"
#include "posttrain/data/pipeline/loading.hpp"
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

POSTTRAIN_INLINE LoadedData detail::load_documents(const Source& source, const LoadContext& context,
                                                   const DocumentOptions& options) {
  if (context.text == nullptr) {
    fail("Documents needs a tokenizer; hint: the model's folder must hold a tokenizer.json");
  }
  if (context.max_seq_len > 0 && options.block_size > context.max_seq_len) {
    raise("block_size = {} is more than max_seq_len = {}: every full block would be dropped",
          options.block_size, context.max_seq_len);
  }
  const text::ChatTokenizer& text = *context.text;
  TokenIds before, after;
  if (options.prepend_bos)
    before.push_back(detail::special_token(text, text.bos_token(), "prepend_bos"));
  if (options.append_eos)
    after.push_back(detail::special_token(text, text.eos_token(), "append_eos"));
  std::vector<std::string> sources;
  const auto open = [&](std::string_view from) {
    const auto reader = std::make_shared<SampleReader>(from, options.delimiter);
    sources.push_back(reader->description(from) + ": documents");
    return samples_until_nothing([reader] { return reader->next(); });
  };
  LoadedData data = load_items(
      SequenceKind{}, source, context, open,
      [&](const Json& sample) {
        TokenIds ids = before;
        const TokenIds body =
            text.tokenizer().encode(document_text(sample, options.document_column));
        ids.insert(ids.end(), body.begin(), body.end());
        ids.insert(ids.end(), after.begin(), after.end());
        return document_blocks(ids, options.block_size);
      },
      fmt::format("documents {} {} {} {}|{}|{}", options.block_size, options.append_eos,
                  options.prepend_bos, options.document_column, options.delimiter,
                  text.fingerprint()));
  data.report.sources = std::move(sources);
  return data;
}

}  // namespace posttrain::data
