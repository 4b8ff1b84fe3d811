// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/word_wrap.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("wordwrap breaks between words, at hyphens, and within words that are too long") {
  CHECK(render("{{ 'a well-known b'|wordwrap(7) }}") == "a well-\nknown b");
  CHECK(render("{{ 'a well-known b'|wordwrap(7, break_on_hyphens=false) }}") == "a well-\nknown b");
  CHECK(render("{{ 'abcdefgh ij'|wordwrap(3) }}") == "abc\ndef\ngh\nij");
  CHECK(render("{{ 'abcdefgh ij'|wordwrap(3, false, '|') }}") == "abcdefgh|ij");
  CHECK(render("{{ 'a b\n\nc'|wordwrap(9) }}") == "a b\n\nc");
  CHECK_THROWS_WITH(render("{{ 'a'|wordwrap(0) }}"), Catch::Contains("a width above 0"));
  CHECK_THROWS_WITH(render("{{ 1|wordwrap }}"), Catch::Contains("expected a string, got int"));
}
