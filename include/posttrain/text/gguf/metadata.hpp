// SPDX-License-Identifier: Apache-2.0
// A tokenizer and its chat templates as the metadata of a GGUF file: text/gguf/chat_files.hpp the
// other way.
//
// Byte-level BPE whose way to split text llama.cpp has a name for, and BPE on characters with bytes
// for what has no token (SentencePiece's), whose merges become scores. llama.cpp knows no more of a
// tokenizer, so the metadata are read again and must give the same ids.
#pragma once

#include <cstdint>

#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/text/chat_files.hpp"

namespace posttrain::text {

/// Adds `tokenizer.*`. `rows`: of the embedding, whose rows beyond the vocabulary become unused
/// tokens. Throws, with the reason, where GGUF cannot say what the files say.
void add_gguf_tokenizer(io::GgufMetadata& metadata, const ChatFiles& files, std::int64_t rows);

/// Throws unless both encode texts of many kinds alike. `where`: the file, for the message.
void check_gguf_tokenizer(const ChatFiles& expected, const ChatFiles& found,
                          const std::string& where);

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/gguf/impl/metadata.ipp"
#endif
