// SPDX-License-Identifier: Apache-2.0
// Adapters of the LoRA family as llama.cpp's adapter files, which load onto the same base there
// (`llama-cli --lora adapter.gguf`).
//
//   save_gguf(trainer.state(), model.config(), "adapter.gguf");
//
// One number is the alpha of all of them, so B of an adapter with another scale is multiplied by
// the quotient. OLoRA and PiSSA, whose base gave up s B₀ A₀, come as in PEFT's folders
// (params/lora/files.hpp), with twice the rank. llama.cpp has low-rank matrices only: DoRA, biases
// and whole tensors that were trained are refused; merge those (`PretrainedDecoder::save_gguf`).
#pragma once

#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/params/lora.hpp"

namespace posttrain {

namespace detail {

void write_gguf_adapter(const std::string& path, const models::DecoderConfig& config,
                        const std::vector<AdapterTensors>& adapters);

}  // namespace detail

/// Writes the adapter in F32, beside its place and renamed. `config`: the base model's.
template <class Storage>
void save_gguf(const LoraState<Storage>& state, const models::DecoderConfig& config,
               const std::string& path) {
  for (const NamedTensor& tensor : state.tensors()) {
    if (tensor.name.find(".lora_A") != std::string::npos ||
        tensor.name.find(".lora_B") != std::string::npos ||
        tensor.name.find(".lora_embedding_") != std::string::npos) {
      continue;
    }
    raise(
        "{}: an adapter of llama.cpp holds low-rank matrices only, and this state trains {}; hint: "
        "write the merged model with PretrainedDecoder::save_gguf",
        path, tensor.name);
  }
  detail::write_gguf_adapter(path, config, state.adapters());
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/lora/impl/gguf.ipp"
#endif
