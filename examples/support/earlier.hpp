// SPDX-License-Identifier: Apache-2.0
// What a model could do before it learned something else: files of questions with their answers
// (evaluate/questions.hpp), asked before and after.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/evaluate/exact_match.hpp"

namespace examples {

class Earlier {
 public:
  /// A file that cannot be read is an error before anything is trained.
  explicit Earlier(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      questions_.emplace_back(file, posttrain::read_questions(file));
    }
  }

  /// Prints how many questions of each file are answered with exactly the expected text.
  template <class Model, class Gate>
  void report(const char* when, const Model& model, const Gate& gate) const {
    for (const auto& [file, questions] : questions_) {
      const posttrain::ExactMatchShare exact = posttrain::exact_match(model, gate, questions);
      fmt::print("{}: {} of {} questions of {} answered ({:.1f} %)\n", when, exact.right,
                 exact.asked, file, 100.0 * exact.share());
    }
    std::fflush(stdout);
  }

 private:
  std::vector<std::pair<std::string, std::vector<posttrain::Question>>> questions_;
};

}  // namespace examples
