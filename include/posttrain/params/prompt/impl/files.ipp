// SPDX-License-Identifier: Apache-2.0
// Definitions of files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/params/weights/impl/peft_folder.ipp"

namespace posttrain::detail {

inline constexpr const char* kPromptKey = "prompt_embeddings";

POSTTRAIN_INLINE void write_prompt(const std::string& folder, const PromptFolder& content,
                                   const io::ModelCard& card) {
  Json config{{"peft_type", content.peft_type},
              {"task_type", "CAUSAL_LM"},
              {"base_model_name_or_path", json_or_null(content.base_model)},
              {"inference_mode", true},
              {"num_virtual_tokens", content.embeddings.size(0)},
              {"token_dim", content.token_dim},
              {"num_transformer_submodules", 1},
              {"num_attention_heads", nullptr},
              {"num_layers", nullptr}};
  // PEFT takes what is null from the model.
  if (content.heads > 0) config["num_attention_heads"] = content.heads;
  if (content.layers > 0) config["num_layers"] = content.layers;
  if (content.peft_type == "PREFIX_TUNING") {
    config["encoder_hidden_size"] = content.token_dim;
    config["prefix_projection"] = false;
  } else {
    config["prompt_tuning_init"] = "RANDOM";  // replaced by the tensor; others need a tokenizer
  }
  write_peft_folder(
      folder, config, {{kPromptKey, content.embeddings}},
      adapter_card(card, content.peft_type == "PREFIX_TUNING" ? "prefix-tuning" : "prompt-tuning"));
}

POSTTRAIN_INLINE PromptFolder read_prompt(const std::string& folder, const std::string& peft_type) {
  const PeftFolder content = read_peft_folder(folder, peft_type, {"prefix_projection"});
  const auto integer = [&](const char* key, std::int64_t otherwise) {
    return io::integer_under(content.config, key, otherwise, content.where, 0);
  };
  if (const std::int64_t submodules = integer("num_transformer_submodules", 1); submodules != 1) {
    raise("{}: expected num_transformer_submodules 1 (a decoder), got {}", content.where,
          submodules);
  }
  PromptFolder prompt{.peft_type = peft_type};
  prompt.heads = integer("num_attention_heads", 0);
  prompt.layers = integer("num_layers", 0);
  prompt.token_dim = integer("token_dim", 0);
  for (const auto& [name, tensor] : content.tensors) {
    if (name != kPromptKey) {
      raise("{}: unexpected key '{}'; hint: a soft prompt is one tensor '{}'", content.weights,
            name, kPromptKey);
    }
    prompt.embeddings = tensor;
  }
  if (!prompt.embeddings.defined()) raise("{}: missing key '{}'", content.weights, kPromptKey);
  const std::int64_t count = integer("num_virtual_tokens", -1);
  if (prompt.embeddings.dim() != 2 || prompt.embeddings.size(0) != count || count < 1) {
    raise("{}: tensor '{}': expected {} rows as num_virtual_tokens says, found shape {}",
          content.weights, kPromptKey, count, shape_text(prompt.embeddings));
  }
  return prompt;
}

}  // namespace posttrain::detail
