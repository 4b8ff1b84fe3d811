// SPDX-License-Identifier: Apache-2.0
// What a model answers, printed: one question, and the share of a file of held-out ones.
#pragma once

#include <string>

#include "posttrain/evaluate/exact_match.hpp"

namespace examples {

/// `question` and the path `questions` may be empty.
template <class Model, class Gate>
void print_answers(const char* when, const Model& model, const Gate& gate,
                   const std::string& question, const std::string& questions) {
  if (!question.empty()) {
    fmt::print("{}: {} -> {}\n", when, question, posttrain::ask(model, gate, question));
  }
  if (questions.empty()) return;
  const posttrain::ExactMatchShare exact =
      posttrain::exact_match(model, gate, posttrain::read_questions(questions));
  fmt::print("{}: {} of {} held-out questions answered exactly ({:.1f} %)\n", when, exact.right,
             exact.asked, 100.0 * exact.share());
}

}  // namespace examples
