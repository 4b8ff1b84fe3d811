// SPDX-License-Identifier: Apache-2.0
// The config.json of a GGUF model: its metadata in the words of transformers.
//
// What the metadata leaves out is what llama.cpp takes for it: Gemma's scale of queries by the
// number of layers, its windows by position, SmolLM3's layers without positions, a tied head where
// there is no output matrix. Llama and Mistral are one architecture there, so a Mistral comes out
// as a Llama. RoPE factors that stand as tensors become `llama3` where they are Llama 3.1's, else
// `longrope`, which says the same of any factors.
#pragma once

#include <string>

#include "posttrain/io/gguf.hpp"

namespace posttrain::models {

/// Throws for an architecture that the library has no family for.
std::string gguf_config(const io::GgufModel& model);

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/gguf/impl/config.ipp"
#endif
