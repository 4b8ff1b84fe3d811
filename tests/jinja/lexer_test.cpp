// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/lexer.hpp"

#include <string>

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

/// The tokens' spellings, one blank between them; texts in brackets.
std::string spelled(const std::string& source) {
  std::string out;
  for (const Token& token : Lexer(source).run()) {
    if (token.kind == TokenKind::kEnd) break;
    if (!out.empty()) out += ' ';
    out += token.kind == TokenKind::kText ? "[" + token.text + "]" : token.spelled();
  }
  return out;
}

std::string text_of_string(const std::string& literal) {
  return Lexer("{{ " + literal + " }}").run().at(1).text;
}

}  // namespace

TEST_CASE("White space around tags follows trim_blocks and lstrip_blocks") {
  CHECK(spelled("a\n  {% x %}\nb\n") == "[a\n] {% x %} [b]");
  CHECK(spelled("a \n {%- x -%} \n b") == "[a] {% x %} [b]");
  CHECK(spelled("  {%+ x +%}\ny") == "[  ] {% x %} [\ny]");
  CHECK(spelled("a\n  {# note #}\nb") == "[a\n] [b]");
  CHECK(spelled("a {{ x }}\nb") == "[a ] {{ x }} [\nb]");
  CHECK(spelled("a {{- x -}} b") == "[a] {{ x }} [b]");
}

TEST_CASE("A raw block is text, whatever stands in it") {
  CHECK(spelled("{% raw %}{{ x }}{% endraw %}!") == "[{{ x }}] [!]");
  CHECK(spelled("{%- raw -%} {% x %} {%- endraw -%} z") == "[{% x %}] [z]");
  CHECK_THROWS_WITH(spelled("{% raw %}x"), Catch::Contains("no '{% endraw %}'"));
}

TEST_CASE("Numbers: bases, underscores, exponents") {
  CHECK(spelled("{{ 0x_F1 0b11 1_000 1.5e-3 2E4 0 00 }}") ==
        "{{ 0xF1 0b11 1000 1.5e-3 2E4 0 00 }}");
  CHECK(spelled("{{ a.0.b 1.x }}") == "{{ a . 0 . b 1 . x }}");
  CHECK_THROWS_WITH(spelled("{{ 012 }}"), Catch::Contains("no leading zeros"));
}

TEST_CASE("Strings are read with Python's escapes") {
  CHECK(text_of_string(R"('a\n\t\x41\u00e9\U0001F600\101\'')") == "a\n\tAé😀A'");
  CHECK(text_of_string(R"("\q\
x")") == "\\qx");
  CHECK(text_of_string(R"('\ud800')") == "\uFFFD");
  CHECK_THROWS_WITH(text_of_string(R"('\x4')"), Catch::Contains("truncated \\ escape"));
  CHECK_THROWS_WITH(text_of_string(R"('\U00110000')"), Catch::Contains("beyond Unicode"));
  CHECK_THROWS_WITH(text_of_string(R"('\N{BULLET}')"), Catch::Contains("by name"));
}

TEST_CASE("Errors of the lexer name their line and column") {
  CHECK_THROWS_WITH(spelled("a\n{{ 'b }}"), Catch::Contains("line 2, column 4: the string has no"));
  CHECK_THROWS_WITH(spelled("{{ ( ] }}"), Catch::Contains("column 6: unexpected ']'"));
  CHECK_THROWS_WITH(spelled("{{ ?"), Catch::Contains("unexpected '?'"));
  CHECK_THROWS_WITH(spelled("x{% a"), Catch::Contains("the tag has no '%}'"));
  CHECK_THROWS_WITH(spelled("{# x"), Catch::Contains("the comment has no '#}'"));
  CHECK(spelled("{{ {'a': {}} }}") == "{{ { a : { } } }}");  // brackets before the end of the tag
}
