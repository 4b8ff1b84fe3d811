// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math_answer.hpp"

#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/rewards/verifier.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using posttrain::MathAnswer;
using posttrain::Sample;
using posttrain::Verdict;

namespace {

static_assert(posttrain::JudgesSample<MathAnswer>);
static_assert(posttrain::ChecksAnswers<MathAnswer>);

Verdict judge(const MathAnswer& verifier, std::string completion, std::string answer) {
  Sample sample;
  sample.completion = std::move(completion);
  sample.answer = std::move(answer);
  return verifier(sample);
}

std::string word(const Verdict& verdict) {
  if (!verdict.applicable()) return "not_applicable";
  return *verdict.value == 1.0 ? "right" : *verdict.value == 0.0 ? "wrong" : "neither";
}

/// The default options with those of a case.
MathAnswer with_options(const nlohmann::json& options) {
  MathAnswer verifier;
  std::size_t known = 0;
  posttrain::for_each_field(verifier, [&](std::string_view name, auto& field) {
    const auto found = options.find(std::string(name));
    if (found == options.end()) return;
    found->get_to(field);
    ++known;
  });
  REQUIRE(known == options.size());
  verifier.validate();
  return verifier;
}

/// Of a box with this in it.
std::string boxed(const std::string& answer, const std::string& gold) {
  return word(judge({}, "so \\boxed{" + answer + "}.", gold));
}

}  // namespace

TEST_CASE("Every case of the table has the verdict that it wants") {
  std::ifstream file(POSTTRAIN_SOURCE_ROOT "/tests/rewards/math_cases.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto row = nlohmann::json::parse(line);
    const MathAnswer verifier = with_options(row.value("options", nlohmann::json::object()));
    const std::string completion = row["completion"];
    const std::string answer = row["answer"];
    const Verdict verdict = judge(verifier, completion, answer);
    INFO("row " << row["row"] << ": " << completion.substr(0, 200) << " for " << answer << ": "
                << verdict.reason << ", read as " << verdict.parsed);
    CHECK(word(verdict) == row["want"].get<std::string>());
    // What is not applicable is found when the data are loaded, and nothing else is.
    if (verdict.applicable()) {
      CHECK_NOTHROW(verifier.check_answer(answer));
    } else {
      CHECK_THROWS_AS(verifier.check_answer(answer), posttrain::Error);
    }
  }
  CHECK(count >= 413);
}

TEST_CASE("Without a box there is no answer, unless it may stand anywhere") {
  const Verdict strict = judge({}, "I guess 7", "7");
  CHECK(word(strict) == "wrong");
  CHECK(strict.reason == "no box");
  CHECK(strict.parsed.empty());
  const Verdict anywhere = judge({.anywhere = true}, "I guess 7", "7");
  CHECK(word(anywhere) == "right");
  CHECK(anywhere.parsed == "7");
  CHECK(judge({.anywhere = true}, "no idea", "7").reason == "no answer");
  CHECK(judge({}, "", "7").reason == "no box");
}

TEST_CASE("A box that is cut off is no answer, not even one that stands anywhere") {
  for (const bool anywhere : {false, true}) {
    const Verdict verdict = judge({.anywhere = anywhere}, "\\boxed{3}. Finally \\boxed{4", "4");
    CHECK(word(verdict) == "wrong");
    CHECK(verdict.reason == "the last box is cut off");
  }
}

TEST_CASE("A verdict says what was read and why") {
  CHECK(judge({}, "\\boxed{ 7 }", "7").parsed == " 7 ");
  CHECK(judge({}, "\\boxed{7}", "7").reason == "equal");
  CHECK(judge({}, "\\boxed{8}", "7").reason == "different");
  CHECK(judge({}, "\\boxed{(B)}", "B").reason == "the choice");
  CHECK(judge({}, "\\boxed{\\int x}", "7").reason ==
        "the answer cannot be read: unknown command \\int");
  CHECK(judge({}, "\\boxed{2^{5000}}", "2^{5001}").reason == "not decided");
  CHECK(judge({.after_think = true}, "\\boxed{7}", "7").reason == "no </think>");
  CHECK(judge({}, "\\boxed{" + std::string(5000, '9') + "}", "7").parsed.size() < 300);
}

TEST_CASE("A gold answer that cannot be read earns nothing and is refused at load time") {
  for (const std::string answer :
       {"five", "\\int_0^1 x\\,dx", "1/0", "((", "\\boxed{5", "x=", "\\text{}", "3 14",
        "A proof in which every step follows from all of those before it."}) {
    INFO(answer);
    const Verdict verdict = judge({}, "\\boxed{" + answer + "}", answer);
    CHECK_FALSE(verdict.applicable());
    CHECK_THAT(verdict.reason, Catch::Contains("the gold answer cannot be read"));
    try {
      MathAnswer().check_answer(answer);
      FAIL("not refused");
    } catch (const posttrain::Error& error) {
      const std::string message = error.what();
      CHECK_THAT(message, Catch::Contains("expected a mathematical answer, got \""));
      CHECK_THAT(message, Catch::Contains("hint: "));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
  CHECK(judge({}, "\\boxed{5}", "").reason == "the record has no answer");
}

TEST_CASE("A gold answer may be a whole solution") {
  CHECK(boxed("9", "16 - 7 = <<16-7=9>>9\n#### 9") == "right");
  CHECK(boxed("9", "Since $4+5=9$, it is $\\boxed{9}$.") == "right");
  CHECK(boxed("4", "Since $4+5=9$, it is $\\boxed{9}$.") == "wrong");
}

TEST_CASE("A choice is named by its letter in either case and with its text") {
  for (const std::string answer :
       {"D", "d", "(D)", "\\text{D}", "\\text{(D)}", "\\textbf{(D) } 7", "\\mathrm{(D)}", "D.",
        "D. seven", "D: seven", "(d) seven", "\\textbf{D}"}) {
    INFO(answer);
    CHECK(boxed(answer, "D") == "right");
    CHECK(boxed(answer, "\\text{(D)}") == "right");
    CHECK(boxed(answer, "E") == "wrong");
  }
  for (const std::string answer : {"DE", "2D", "D+1", "Delta", "a D", "D, E", "\\Delta"}) {
    INFO(answer);
    CHECK(boxed(answer, "D") == "wrong");
  }
  CHECK(boxed("X", "x") == "wrong");
}

TEST_CASE("Options outside of their range are refused") {
  static_assert(([] {
    MathAnswer().validate();
    return true;
  })());
  CHECK_THROWS_WITH(MathAnswer{.relative_tolerance = 0.5}.validate(),
                    Catch::Contains("relative_tolerance"));
  CHECK_THROWS_AS(MathAnswer{.relative_tolerance = -1e-9}.validate(), posttrain::Error);
  CHECK_THAT(posttrain::describe(MathAnswer()), Catch::Contains(".anywhere = false"));
}

TEST_CASE("Hostile answers are judged at once") {
  const auto repeated = [](const std::string& part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  const std::string hostile[] = {
      "9^{9^{9^{9^9}}}",
      "9^{9^9}-9^{9^9}",
      repeated("2^{", 35) + "2" + repeated("}", 35),
      "10^{10^{10}}!",
      "(((10!)!)!)!",
      std::string(20000, '9'),
      std::string(1200, '9') + "^{" + std::string(1200, '9') + "}",
      repeated("(x+1)^{99}", 60),
      repeated("\\frac{1}{7^{200}+3}+", 40) + "1",
      repeated("f(x)", 140),
      repeated("\\sin ", 30) + "x",
      repeated("\\pm1", 150),
      "(" + repeated("\\pm1,", 100) + "1)",
      repeated("\\sqrt2,", 110) + "1",
      repeated("x>1 \\text{ or }", 100) + "x<1",
      repeated("(0,1)\\cup", 80) + "(2,3)",
      repeated("\\text{", 100) + repeated("}", 100),
      repeated("\\begin{cases}", 30) + repeated("\\end{cases}", 30),
      repeated("1,", 290) + "1",
      repeated("\\{", 30) + "1" + repeated("\\}", 30),
      repeated("1,234", 100),
      repeated("2e-1+", 100) + "1",
      "\\binom{99999999999}{44444444444}",
      "\\gcd(" + repeated("2^{4000},", 40) + "3)",
      repeated("5!", 100),
      "e^{e^{e^{e^{e}}}}",
  };
  for (const std::string& answer : hostile) {
    INFO(answer.substr(0, 80));
    // Twice each: as the answer to a plain question, and for itself.
    const double took = posttrain::test::least_processor_seconds([&] {
      CHECK(boxed(answer, "7") == "wrong");
      word(judge({.anywhere = true}, "\\boxed{" + answer + "}", answer));
    });
    CHECK(took < 3.0);  // some ms with optimisation and without sanitizers
  }
}

TEST_CASE("The same sample has the same verdict, whoever asks and however often") {
  const MathAnswer verifier;
  for (int i = 0; i < 3; ++i) {
    CHECK(word(judge(verifier, "\\boxed{\\tan^2 y+1}", "\\sec^2 y")) == "right");
    CHECK(word(judge(verifier, "\\boxed{\\tan^2 y}", "\\sec^2 y")) == "wrong");
  }
}

// [snippet: math_answer]
TEST_CASE("MathAnswer in a dozen lines") {
  posttrain::MathAnswer verifier{.anywhere = true, .relative_tolerance = 1e-3};
  verifier.validate();
  verifier.check_answer("\\frac{1}{3}");  // throws where a record's answer cannot be read

  posttrain::Sample sample;
  sample.completion = "So each of them gets \\boxed{0.333} of it.";
  sample.answer = "\\frac{1}{3}";
  const posttrain::Verdict verdict = verifier(sample);
  CHECK(verdict.value == 1.0);
  CHECK(verdict.parsed == "0.333");
}
// [/snippet]
