// SPDX-License-Identifier: Apache-2.0
// Architectures of llama.cpp and the models of transformers that they are. (Llama and Mistral are
// one architecture there.)
#pragma once

#include <array>
#include <string_view>

namespace posttrain::models {

struct GgufArchitecture {
  std::string_view name, model_type, model_class;
};

inline constexpr std::array<GgufArchitecture, 9> kGgufArchitectures{{
    {"llama", "llama", "LlamaForCausalLM"},
    {"qwen2", "qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM"},
    {"smollm3", "smollm3", "SmolLM3ForCausalLM"},
    {"granite", "granite", "GraniteForCausalLM"},
    {"phi3", "phi3", "Phi3ForCausalLM"},
    {"gemma2", "gemma2", "Gemma2ForCausalLM"},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM"},
    {"gpt2", "gpt2", "GPT2LMHeadModel"},
}};

}  // namespace posttrain::models
