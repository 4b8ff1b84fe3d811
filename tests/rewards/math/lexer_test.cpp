// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/lexer.hpp"

#include <string>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain::rewards;

namespace {

/// Each token with the first letter of its kind: "n7", "wx", "cfrac", "m+", "r=", "tmiles", "aand".
std::string spelled(const std::string& source, Reading reading = {}) {
  std::string out;
  for (const Token& token : Lexer(source, reading).run()) {
    if (token.kind == TokenKind::end) break;
    if (!out.empty()) out += ' ';
    switch (token.kind) {
      case TokenKind::number:
        out += "n" + token.value.text();
        break;
      case TokenKind::word:
        out += "w" + token.text;
        break;
      case TokenKind::command:
        out += "c" + token.text;
        break;
      case TokenKind::text:
        out += "t" + token.text;
        break;
      case TokenKind::mark:
        out += "m" + token.text;
        break;
      case TokenKind::relation:
        out += "r" + token.text;
        break;
      default:
        out += "a" + token.text;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("Separators of thousands join groups of three digits") {
  for (const std::string number :
       {"7,425,000", "7{,}425{,}000", "7,\\!425,\\!000", "7\\,425\\,000", "7 425 000", "7'425'000",
        "7\\ 425\\ 000", "7~425~000", "7.425.000"}) {
    CHECK(spelled(number) == "n7425000");
  }
  CHECK(spelled("7,425.25") == "n29701/4");
  CHECK(spelled("7, 425") == "n7 m, n425");
  CHECK(spelled("7425,000") == "n7425 m, n0");
  CHECK(spelled("7,42") == "n7 m, n42");
  CHECK(spelled("7,4250") == "n7 m, n4250");
  CHECK(spelled("0,125") == "n0 m, n125");
  CHECK(spelled("7,425 000") == "n7425 n0");
}

TEST_CASE("Within brackets a comma separates elements, unless a group begins with 0") {
  CHECK(spelled("(3,100)") == "m( n3 m, n100 m)");
  CHECK(spelled("\\{1,234,567\\}") == "m\\{ n1 m, n234 m, n567 m\\}");
  CHECK(spelled("(1,000)") == "m( n1000 m)");
  CHECK(spelled("\\frac{1,234}{2}") == "cfrac m{ n1234 m} m{ n2 m}");
  CHECK(spelled("(1) 3,100") == "m( n1 m) n3100");
}

TEST_CASE("The other reading of an ambiguous notation is told, and given on request") {
  Lexer thousands("10,100");
  thousands.run();
  CHECK(thousands.ambiguous_commas());
  CHECK(spelled("10,100", {.other_commas = true}) == "n10 m, n100");
  CHECK(spelled("(10,100)", {.other_commas = true}) == "m( n10100 m)");
  Lexer euler("2e-1");
  euler.run();
  CHECK(euler.ambiguous_euler());
  CHECK(spelled("2e-1") == "n1/5");
  CHECK(spelled("2e-1", {.euler = true}) == "n2 we m- n1");
  Lexer plain("x + 10{,}100");
  plain.run();
  CHECK_FALSE(plain.ambiguous_commas());
  CHECK_FALSE(plain.ambiguous_euler());
}

TEST_CASE("Decimals, powers of ten, periods and bases are exact") {
  CHECK(spelled(".5") == "n1/2");
  CHECK(spelled("0{,}25") == "n1/4");
  CHECK(spelled("1.5e-3 1E3") == "n3/2000 n1000");
  CHECK(spelled("0.\\overline{3}") == "n1/3");
  CHECK(spelled("0.1\\overline{6}") == "n1/6");
  CHECK(spelled("0.\\overline{142857}") == "n1/7");
  CHECK(spelled("0.(3)") == "n1/3");
  CHECK(spelled("0.5(3)") == "n1/2 m( n3 m)");
  CHECK(spelled("0.25\\ldots") == "n1/4");
  CHECK(spelled("101_2") == "n5");
  CHECK(spelled("FF_{16}") == "n255");
  CHECK(spelled("3x_2") == "n3 wx m_ n2");
  CHECK(spelled("102_2") == "n102 m_ n2");
  CHECK(spelled("2e") == "n2 we");
  CHECK(spelled("42.") == "n42 m.");
  CHECK(Lexer("1.50").run().front().decimal);
  CHECK_FALSE(Lexer("0.\\overline{3}").run().front().decimal);
  CHECK_FALSE(Lexer("1e3").run().front().decimal);
}

TEST_CASE("Commands are dropped, renamed or kept") {
  CHECK(spelled("\\left(\\dfrac12\\right)") == "m( cfrac n12 m)");
  CHECK(spelled("x \\leq 5 \\ne 6") == "wx rl n5 r! n6");
  CHECK(spelled("a\\cdot b \\times c") == "wa m* wb m* wc");
  CHECK(spelled("\\mathbb{R}") == "cnumbers R");
  CHECK(spelled("\\begin{pmatrix} 1 \\\\[2pt] 2 \\end{pmatrix}") ==
        "cbegin pmatrix n1 m\\\\ n2 cend pmatrix");
  CHECK(spelled("\\color{red}7 \\$5 \\,x\\!") == "n7 n5 wx");
  CHECK(spelled("$x$ `y` \\(z\\)") == "wx wy wz");
  CHECK_THROWS_WITH(spelled("\\int x"), Catch::Contains("unknown command \\int"));
}

TEST_CASE("Texts are kept whole, and their connectives and functions are found") {
  CHECK(spelled("5\\text{ miles}") == "n5 tmiles");
  CHECK(spelled("x \\text{ and } y") == "wx aand wy");
  CHECK(spelled("x or y") == "wx aor wy");
  CHECK(spelled("\\mathrm{e} \\operatorname{sin} \\mathrm{km}") == "we csin tkm");
  CHECK(spelled("\\text{a {b} \\} c}") == "ta {b} \\} c");
  CHECK_THROWS_WITH(spelled("\\text{a"), Catch::Contains("not closed"));
}

TEST_CASE("Relations of plain notation") {
  CHECK(spelled("a<=b>=c!=d==e<f") == "wa rl wb rg wc r! wd r= we r< wf");
  CHECK(spelled("x**2 +/- 1") == "wx m** n2 m+- n1");
  CHECK(spelled("3!=6") == "n3 r! n6");
}

TEST_CASE("A number of too many digits is refused before it is computed") {
  CHECK_THROWS_WITH(spelled(std::string(20000, '9')), Catch::Contains("20000 digits"));
  CHECK_THROWS_WITH(spelled("1e99999"), Catch::Contains("exponent"));
  CHECK_FALSE(Lexer("1e9999").run().front().value.fits());
  CHECK(Lexer(std::string(1200, '9')).run().front().value.fits());
  CHECK_THROWS_AS(spelled("a # b"), posttrain::Error);
}
