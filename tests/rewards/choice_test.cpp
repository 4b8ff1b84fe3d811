// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/choice.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Choice> && ChecksAnswers<Choice>);

namespace {

/// The letter that a text chooses; "-" where it chooses none.
std::string chosen(const std::string& text, const Choice& choice = {}) {
  const std::string letter = choice(sample_of(text, "A")).parsed;
  return letter.empty() ? "-" : letter;
}

}  // namespace

TEST_CASE("a letter is chosen where the text says that it is the answer") {
  CHECK(chosen("The answer is B because a car moves.") == "B");
  CHECK(chosen("The answer is B. Note that A is common.") == "B");
  CHECK(chosen("Answer: $B") == "B");
  CHECK(chosen("Answer: $(D)") == "D");
  CHECK(chosen("**Answer:** $C") == "C");
  CHECK(chosen("**Answer: C**") == "C");
  CHECK(chosen("Answer: **(C)** both hold") == "C");
  CHECK(chosen("The correct answer is: D)") == "D");
  CHECK(chosen("the correct option is (E).") == "E");
  CHECK(chosen("So the final answer is option C.") == "C");
  CHECK(chosen("Answer is \\text{B}") == "B");
  CHECK(chosen("The answer should be $\\mathrm{B}$.") == "B");
  CHECK(chosen("Answer:\nB\n") == "B");
  CHECK(chosen("The answer is A because it moves.") == "A");
  CHECK(chosen("The answer is A.") == "A");
  CHECK(chosen("The answer is (A) car") == "A");
}

TEST_CASE("the last statement counts, be it a box or words") {
  CHECK(chosen("The answer is A. Wait: the answer is B.") == "B");
  CHECK(chosen("\\boxed{A} is wrong, the answer is C") == "C");
  CHECK(chosen("The answer is A, hence \\boxed{C}") == "C");
  CHECK(chosen("\\boxed{d}") == "D");
  CHECK(chosen("\\boxed{\\text{(C)}}") == "C");
  CHECK(chosen("the answer is B: \\boxed{car}") == "-");
  CHECK(chosen("\\boxed{A} and \\boxed{B") == "-");
  CHECK(chosen("Option C is wrong. The correct answer is B. Option D is wrong, too.") == "B");
}

TEST_CASE("articles, pronouns and names are no choices") {
  const Choice ten{.letters = "ABCDEFGHIJ"};
  CHECK(chosen("The answer is a car.") == "-");
  CHECK(chosen("The answer is A car that moves.") == "-");
  CHECK(chosen("Answer: I think that it is hard", ten) == "-");
  CHECK(chosen("Answer: I'd say so", ten) == "-");
  CHECK(chosen("The answer is I because it fits.", ten) == "I");
  CHECK(chosen("The answer is B-52.") == "-");
  CHECK(chosen("The answer is C++.") == "-");
  CHECK(chosen("The answer is Brazil.") == "-");
  CHECK(chosen("The answer is Ä.") == "-");
  CHECK(chosen("A car is what I see. B is nothing.") == "-");
  CHECK(chosen("the answer is b") == "-");
}

TEST_CASE("several letters are no choice") {
  CHECK(chosen("The answer is B or C.") == "-");
  CHECK(chosen("The answer is (B) and (C).") == "-");
  CHECK(chosen("Answer: B/C") == "-");
  CHECK(chosen("Answer: A, B") == "-");
  CHECK(chosen("The answer is B, C is wrong") == "B");
  CHECK(chosen("The answer is B and a car moves") == "B");
  CHECK(Choice{}(sample_of("The answer is B or C.", "B")).reason == "several letters");
}

TEST_CASE("a text that is nothing but a letter chooses it, by option") {
  CHECK(chosen("B") == "B");
  CHECK(chosen(" (B).\n") == "B");
  CHECK(chosen("**B**") == "B");
  CHECK(chosen("b") == "-");
  CHECK(chosen("B C") == "-");
  CHECK(chosen("F") == "-");
  CHECK(chosen("B", {.lone = false}) == "-");
  CHECK(chosen("") == "-");
}

TEST_CASE("the record's answer is a letter in any form, or the sample is not judged") {
  for (const char* answer : {"B", "b", "(B)", "B.", "\\boxed{B}", "**B**"}) {
    INFO(answer);
    CHECK(value_of(Choice{}(sample_of("Answer: B", answer))) == "1");
    CHECK(value_of(Choice{}(sample_of("Answer: C", answer))) == "0");
    CHECK_NOTHROW(Choice{}.check_answer(answer));
  }
  CHECK(value_of(Choice{}(sample_of("Answer: B", "2"))) == "n/a");
  CHECK(value_of(Choice{.letters = "1234"}(sample_of("Answer: 2", "2"))) == "1");
  CHECK_THROWS_WITH(Choice{}.check_answer("Brazil"),
                    "expected one of the letters ABCDE as answer, got 'Brazil'; hint: "
                    "Choice.letters says which there are");
  CHECK_THROWS_WITH(Choice{}.check_answer(""), Catch::Contains("got ''"));
}

TEST_CASE("bad letters are refused") {
  CHECK_NOTHROW(Choice{}.validate());
  CHECK_THROWS_WITH(Choice{.letters = ""}.validate(),
                    "posttrain: Choice.letters must not be empty");
  for (const char* letters : {"abc", "AA", "A B"}) {
    CHECK_THROWS_WITH(
        Choice{.letters = letters}.validate(),
        Catch::Contains("expected Choice.letters to be different capitals or digits"));
  }
}

TEST_CASE("Choice passes over thoughts by option") {
  const Choice behind{.after_think = true};
  CHECK(chosen("<think>The answer is A.</think>The answer is B.", behind) == "B");
  CHECK(chosen("<think>The answer is A.</think>Hm.", behind) == "-");
  CHECK(behind(sample_of("<think>The answer is A.", "A")).reason == "no </think>");
}

TEST_CASE("choosing takes time in proportion to the text") {
  for (const std::string piece : {"answer ", "answer is the ", "\\boxed ", "((", "Answer: A or "}) {
    INFO(piece);
    CHECK(is_linear(
        20'000,
        [&](std::size_t size) {
          std::string text;
          while (text.size() < size) text += piece;
          return text;
        },
        [](const std::string& text) { (void)Choice{}(sample_of(text, "A")); }));
  }
}
