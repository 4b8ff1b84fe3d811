// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/letters.hpp"

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("Case changes letters that become several, and a final sigma") {
  CHECK(upper("straße ﬁ ŉ") == "STRASSE FI ʼN");
  CHECK(lower("ΟΔΟΣ Σ") == "οδος σ");
  CHECK(lower("İ") == "i̇");
  CHECK(capitalize("ǆABC") == "ǅabc");
  CHECK(capitalize("ßx") == "Ssx");
  CHECK(capitalize("") == "");
  CHECK(title("it's 2nd héllo") == "It'S 2Nd Héllo");
  CHECK(swap_case("aB é1") == "Ab É1");
  CHECK(case_fold("Straße") == "strasse");
}

TEST_CASE("Character classes are those of Python's str") {
  CHECK(is_python_space(0x1C));
  CHECK(is_python_space(0x3000));
  CHECK_FALSE(is_python_space(0x200B));
  CHECK(is_cased("ABC 1", true));
  CHECK_FALSE(is_cased("ABc", true));
  CHECK_FALSE(is_cased("12", true));
  CHECK(is_title("Hello World2"));
  CHECK_FALSE(is_title("HelloWorld"));
  CHECK_FALSE(is_title("hello"));
  CHECK_FALSE(is_title(""));
}
