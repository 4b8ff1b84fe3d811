// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/unicode_form.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;

namespace {

std::string form(std::string_view text, bool compose, bool compatibility) {
  const AlignedText source(text, 0, false);
  return UnicodeForm{.compose = compose, .compatibility = compatibility}(Piece(source)).text;
}

}  // namespace

TEST_CASE("Normal forms compose, decompose and replace what is compatible") {
  CHECK(form("é", false, false) == "e\u0301");
  CHECK(form("e\u0301", true, false) == "é");
  CHECK(form("ﬁ½", true, false) == "ﬁ½");
  CHECK(form("ﬁ½", true, true) == "fi1\u20442");
  CHECK(form("a\u0301\u0323", false, false) == "a\u0323\u0301");  // marks by their class
  CHECK(form("가", false, false) == "\u1100\u1161");
  CHECK(form("\u1100\u1161", true, false) == "가");
}

TEST_CASE("A composed character has the source of all its parts' first") {
  const AlignedText source("xe\u0301y", 0, true);
  const AlignedText out = UnicodeForm{.compose = true}(Piece(source));
  CHECK(out.text == "xéy");
  CHECK(Piece(out).source_of(1, 3) == ByteRange{1, 2});
  CHECK(Piece(out).source_of(3, 4) == ByteRange{4, 5});
}
