// SPDX-License-Identifier: Apache-2.0
// What a recipe trains token by token, chosen at run time: conversations, documents or tokens, of
// one source or of several with shares; and what became of it, as a file.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/recipes/conflicts.hpp"
#include "posttrain/recipes/data_sources.hpp"
#include "posttrain/recipes/processed_files.hpp"

namespace posttrain {

enum class TextKind { conversations, documents, tokens };

struct TextData {
  DataSources path{};
  TextKind kind = TextKind::conversations;
  bool unmask = false;              // of conversations: score all but system messages
  std::int64_t block_size = 0;      // of documents, in tokens
  LiteralString document_column{};  // their key; empty: "text" or "document"
  LiteralString validation_path{};
  ProcessedFiles output{};  // what was made of them; a callback of the run

  void validate() const;
  data::LoadedData load(const data::LoadContext& context) const;
};

/// As a recipe's members say it. Throws where they contradict each other.
template <class O>
TextData text_data(const O& o) {
  check_text_members(o);
  const std::string folder =
      o.data_output_dir.empty() ? o.ckpt_output_dir.str() + "/data" : o.data_output_dir.str();
  return {.path = o.data_path,
          .kind = o.is_pretraining          ? TextKind::documents
                  : o.use_processed_dataset ? TextKind::tokens
                                            : TextKind::conversations,
          .unmask = o.unmask_messages,
          .block_size = o.block_size,
          .document_column = o.document_column_name,
          .validation_path = o.validation_data_path,
          .output = ProcessedFiles(folder)};
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/text_data.ipp"
#endif
