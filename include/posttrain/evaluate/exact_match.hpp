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

#include <cstddef>
#include <cstdint>
#include <utility>
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
  std::vector<Request> requests;
  for (const Question& question : questions) {
    requests.push_back({.prompt = detail::prompt_of(tokenizer, question.sample),
                        .sampling = {.max_new_tokens = max_new_tokens, .temperature = 0.0}});
  }
  Generator<Gate> generator(model, gate, tokenizer.eos_ids(), {}, &tokenizer.tokenizer());
  const auto answers = generator.run(std::move(requests));
  ExactMatchShare result;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    result.right += detail::answer_text(answers[i][0].text) == questions[i].answer;
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
