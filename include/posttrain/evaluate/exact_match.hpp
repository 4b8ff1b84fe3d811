// SPDX-License-Identifier: Apache-2.0
// How many held-out questions a model answers with exactly the expected text.
//
//   const auto questions = read_questions("questions.jsonl");
//   const ExactMatchShare exact = exact_match(model, trainer.state(), questions);
//   fmt::print("{} of {} ({:.1f} %)", exact.right, exact.asked, 100.0 * exact.share());
//
// Answers are decoded greedily and compared as texts, spaces and line breaks at their ends apart.
// `measure_retention` gives the same share by one forward pass for each question, where the answer
// has one tokenization.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/evaluate/questions.hpp"
#include "posttrain/generate/chat.hpp"

namespace posttrain {

struct ExactMatchShare {
  std::int64_t right = 0;
  std::int64_t asked = 0;

  /// In [0, 1]; 0 where nothing was asked.
  double share() const {
    return asked > 0 ? static_cast<double>(right) / static_cast<double>(asked) : 0.0;
  }
};

/// Asks every question; an answer of more than `max_new_tokens` tokens is cut off there.
template <class Gate>
ExactMatchShare exact_match(const models::Decoder& model, const Gate& gate,
                            const text::ChatTokenizer& tokenizer,
                            const std::vector<Question>& questions,
                            std::int64_t max_new_tokens = 64) {
  ExactMatchShare result;
  for (const Question& question : questions) {
    result.right += answer(model, gate, tokenizer, question.sample,
                           {.max_new_tokens = max_new_tokens}) == question.answer;
    result.asked += 1;
  }
  return result;
}

/// With the model's own tokenizer.
template <BringsText Model, class Gate>
ExactMatchShare exact_match(const Model& model, const Gate& gate,
                            const std::vector<Question>& questions,
                            std::int64_t max_new_tokens = 64) {
  return exact_match(model, gate, tokenizer_of(model), questions, max_new_tokens);
}

}  // namespace posttrain
