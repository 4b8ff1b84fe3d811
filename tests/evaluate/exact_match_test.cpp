// SPDX-License-Identifier: Apache-2.0
#include "posttrain/evaluate/exact_match.hpp"

#include "generate/chatty_model.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::vector<Question> questions_with(const std::vector<std::string>& answers) {
  std::vector<Question> questions;
  for (const std::string& answer : answers) {
    questions.push_back({{{"messages", asked("2+2?")}}, answer});
  }
  return questions;
}

}  // namespace

TEST_CASE("answers count that are the expected text exactly", "[evaluate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const ExactMatchShare exact =
      exact_match(model, Says(gate, letters, "It is 4.\n"),
                  questions_with({"It is 4.", "It is 4", "it is 4.", "4"}));
  CHECK(exact.right == 1);
  CHECK(exact.asked == 4);
  CHECK(exact.share() == 0.25);
  CHECK(exact_match(model, gate, letters, {}).share() == 0.0);
}

TEST_CASE("an answer that is cut off is wrong", "[evaluate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const std::vector<Question> questions = questions_with({"four"});
  CHECK(exact_match(model, Says(gate, letters, "four"), questions, 4).right == 1);
  CHECK(exact_match(model, Says(gate, letters, "four"), questions, 3).right == 0);
}
