// SPDX-License-Identifier: Apache-2.0
// Plain documents for (continued) pre-training: {"text": …} or {"document": …} in JSON files, .txt
// files, or a folder of them (data/formats/reader.hpp).
//
// A document is tokenised with the end-of-sequence token behind it. A long one is cut into blocks
// of `block_size`, short ones stay whole and are packed: no token is predicted from another
// document, nor from another block (transformers' run_clm joins all and predicts across documents).
// So the first token of a block is not scored.
#pragma once

#include <cstdint>
#include <string_view>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

namespace detail {

/// The fields of BasicDocuments that say how a document becomes sequences.
struct DocumentOptions {
  std::int64_t block_size = 0;
  std::string_view document_column{}, delimiter{};
  bool append_eos = true;
  bool prepend_bos = false;
};

LoadedData load_documents(const Source& source, const LoadContext& context,
                          const DocumentOptions& options);

}  // namespace detail

}  // namespace posttrain::data

namespace posttrain {

struct Documents {
  LiteralString path{};             // a file or a folder of files
  std::int64_t block_size = 0;      // longest sequence in tokens; 0: whole documents
  LiteralString document_column{};  // the JSON key; empty: "text" or "document"
  LiteralString delimiter{};        // between the documents of a .txt file; empty: one per file
  bool append_eos = true;
  bool prepend_bos = false;         // at a document's start (not at each block's)
  LiteralString validation_path{};  // a source of its own, instead of Options::validation_split

  constexpr void validate() const {
    source().validate();
    if (block_size < 0 || block_size == 1 || block_size == 2) {
      fail("posttrain: Documents.block_size must be 0 (whole documents) or at least 3");
    }
  }

  data::LoadedData load(const data::LoadContext& context) const {
    validate();
    return data::detail::load_documents(
        source(), context,
        {block_size, document_column.view(), delimiter.view(), append_eos, prepend_bos});
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/documents.ipp"
#endif
