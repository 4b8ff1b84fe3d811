// SPDX-License-Identifier: Apache-2.0
// The tokenizer and the chat templates of a GGUF model, as the files of a Hugging Face folder.
//
//   tokenizer.ggml.model   gpt2   byte-level BPE; `tokenizer.ggml.pre` names how text is split
//                          llama  SentencePiece's BPE: merges follow from the scores, characters
//                                 without a token are bytes, spaces are "▁"
//
// Tokens of type control and user-defined are added tokens, the former special; unused ones, which
// fill up the embedding, are left out. A BOS is set before (an EOS behind) every text if
// add_bos_token says so, or, without it, where llama.cpp does it for that kind of tokenizer. Every
// id that ends a turn (eos, eot, eom) ends generation.
#pragma once

#include "posttrain/io/gguf.hpp"
#include "posttrain/text/chat_files.hpp"

namespace posttrain::text {

/// Throws for a kind of tokenizer that is not known, and for one that contradicts itself. A model
/// without a tokenizer (`tokenizer.ggml.model` "none", or no such key) gives empty files.
ChatFiles gguf_chat_files(const io::GgufModel& model);

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/gguf/impl/chat_files.ipp"
#endif
