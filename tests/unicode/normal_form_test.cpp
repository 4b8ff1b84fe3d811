// SPDX-License-Identifier: Apache-2.0
#include "posttrain/unicode/normal_form.hpp"

#include "support/catch.hpp"

using namespace posttrain::text;

TEST_CASE("NFKC makes compatible characters equal") {
  CHECK(nfkc("plain") == "plain");
  CHECK(nfkc("ﬁ４２") == "fi42");
  CHECK(nfkc("e\u0301") == "é");
  CHECK(nfkc("x²") == "x2");
  CHECK(nfkc("Ä") == "Ä");
  CHECK(nfkc("") == "");
}

TEST_CASE("case folding is Unicode's, with NFKC or without") {
  CHECK(case_folded("STRASSE") == case_folded("Straße"));
  CHECK(case_folded("ΣΑΣ") == case_folded("σας"));
  CHECK(case_folded("ﬀ") == "ff");
  CHECK(case_folded("４") == "４");
  CHECK(nfkc_case_folded("Ａ４") == "a4");
}

TEST_CASE("broken UTF-8 is repaired, not refused") {
  CHECK(nfkc("a\xFF") == "a\uFFFD");
  CHECK(case_folded("A\xC3") == "a\uFFFD");
}
