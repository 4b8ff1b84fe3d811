// SPDX-License-Identifier: Apache-2.0
// Asking a model in its chat format, and counting exact answers on a file of questions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "posttrain/generate/generate.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json_lines.hpp"

namespace examples {

/// The model's answer to a conversation that ends with a user's message.
template <class Gate>
std::string answer(const posttrain::hub::PretrainedDecoder& model, const Gate& gate,
                   const posttrain::text::Json& messages,
                   const posttrain::models::GenerateOptions& options = {}) {
  if (model.text() == nullptr) posttrain::raise("{}: expected a tokenizer.json", model.folder());
  const auto prompt = model.text()->encode(messages, nullptr, /*add_generation_prompt=*/true);
  const auto ids =
      posttrain::models::generate(model, gate, prompt.ids, model.text()->eos_ids(), options);
  std::string text = model.text()->tokenizer().decode(ids, /*skip_special_tokens=*/true);
  text.erase(0, text.find_first_not_of(" \n"));
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

template <class Gate>
std::string answer(const posttrain::hub::PretrainedDecoder& model, const Gate& gate,
                   const std::string& question) {
  return answer(model, gate, posttrain::text::Json{{{"role", "user"}, {"content", question}}});
}

struct Accuracy {
  int right = 0;
  int asked = 0;
  double share() const { return asked > 0 ? static_cast<double>(right) / asked : 0.0; }
};

/// Exact matches on lines of {"messages": [user], "answer": …}.
template <class Gate>
Accuracy exact_match(const posttrain::hub::PretrainedDecoder& model, const Gate& gate,
                     const std::string& path) {
  Accuracy accuracy;
  posttrain::io::JsonLinesReader reader{posttrain::io::fs::path(path)};
  while (const auto record = reader.next()) {
    if (!record->error.empty()) {
      posttrain::raise("{}: {}", reader.where(record->line), record->error);
    }
    const std::string given =
        answer(model, gate, record->value.at("messages"), {.max_new_tokens = 64});
    accuracy.right += given == record->value.at("answer").get<std::string>();
    accuracy.asked += 1;
  }
  return accuracy;
}

}  // namespace examples
