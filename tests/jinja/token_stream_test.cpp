// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/token_stream.hpp"

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

TokenStream stream() {
  return TokenStream({{TokenKind::kName, "a", {1, 4}},
                      {TokenKind::kOperator, "=", {1, 6}},
                      {TokenKind::kBlockEnd, "", {1, 8}},
                      {TokenKind::kEnd, "", {2, 1}}});
}

}  // namespace

TEST_CASE("A stream of tokens is read one by one and never past its end") {
  TokenStream in = stream();
  CHECK(in.is_name("a"));
  CHECK(in.is_operator("=", 1));
  CHECK_FALSE(in.skip_name("b"));
  CHECK(in.name() == "a");
  in.expect_operator("=");
  in.back();
  CHECK(in.position() == 1);
  CHECK(in.next().text == "=");
  in.expect_block_end();
  for (int i = 0; i < 3; ++i) CHECK(in.next().kind == TokenKind::kEnd);
  CHECK(in.peek(9).kind == TokenKind::kEnd);
  CHECK(in.at(0).text == "a");
}

TEST_CASE("An unexpected token is an error with its place") {
  TokenStream in = stream();
  CHECK_THROWS_WITH(in.expect_operator("("),
                    Catch::Contains("line 1, column 4: expected '(', got 'a'"));
  CHECK_THROWS_WITH(in.expect_block_end(), Catch::Contains("expected '%}', got 'a'"));
  in.skip();
  CHECK_THROWS_WITH(in.name(), Catch::Contains("expected a name, got '='"));
  in.skip(2);
  CHECK_THROWS_WITH(in.expect_name("in"), Catch::Contains("got 'the end of the template'"));
}
