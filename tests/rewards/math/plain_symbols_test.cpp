// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/plain_symbols.hpp"

#include <string>

#include "posttrain/unicode/utf8.hpp"
#include "support/catch.hpp"

using posttrain::rewards::plain_symbols;

TEST_CASE("Signs become LaTeX's") {
  CHECK(plain_symbols("−5") == "-5");
  CHECK(plain_symbols("2×3÷4·5") == R"(2\times 3\div 4\cdot 5)");
  CHECK(plain_symbols("½√2") == R"(\frac{1}{2}\sqrt 2)");
  CHECK(plain_symbols("x∈[0,π)∪{∞}") == R"(x\in [0,\pi )\cup {\infty })");
  CHECK(plain_symbols("90° ≤ α ≠ β") == R"(90^\circ  \le  \alpha  \ne  \beta )");
  CHECK(plain_symbols("€5") == R"(\$5)");
}

TEST_CASE("Runs of raised and lowered characters are one exponent and one index") {
  CHECK(plain_symbols("x²³y₁₀") == "x^{23}y_{10}");
  CHECK(plain_symbols("10⁻³") == "10^{-3}");
  CHECK(plain_symbols("x²") == "x^{2}");
  CHECK(plain_symbols("a₁²b") == "a_{1}^{2}b");
}

TEST_CASE("Full-width and mathematical letters become plain ones") {
  CHECK(plain_symbols("１２３＋ｘ") == "123+x");
  CHECK(plain_symbols("𝑥 𝐀 𝟕 𝛼") == "x A 7 \\alpha ");
}

TEST_CASE("What is plain stays, and what is unknown stays in UTF-8") {
  CHECK(plain_symbols("a+b") == "a+b");
  CHECK(plain_symbols("五") == "五");
  CHECK(plain_symbols("\xff") == "\xef\xbf\xbd");
  for (char32_t c = 1; c < 0x20000; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xd800 && c < 0xe000) continue;
    REQUIRE(posttrain::text::is_valid_utf8(plain_symbols(posttrain::text::to_utf8(c))));
  }
}
