// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/vocabulary.hpp"

#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::rewards;

TEST_CASE("The first and the last command of each kind are found") {
  // The tables are searched by halves: one out of order would hide its neighbors.
  for (const std::string_view name : {"Big", "vec", "left", "quad", "displaystyle", "mathbf"}) {
    CHECK(command_info(name).kind == CommandKind::dropped);
  }
  for (const std::string_view name : {"color", "pmod", "textcolor"}) {
    CHECK(command_info(name).kind == CommandKind::dropped_with_argument);
  }
  for (const std::string_view name : {"emph", "mbox", "operatorname", "text", "texttt"}) {
    CHECK(command_info(name).kind == CommandKind::text);
  }
  for (const std::string_view name :
       {"Delta", "Xi",     "alpha", "arctan", "binom", "frac",  "gcd",
        "infty", "lceil",  "log",   "max",    "nu",    "omega", "phi",
        "pi",    "rfloor", "sin",   "sqrt",   "theta", "xi",    "zeta"}) {
    CHECK(command_info(name).meaning == name);
  }
  for (const std::string_view name :
       {"Bbb",      "R",   "Vert",  "Z",      "backslash",  "bigcup",   "cdot",
        "dfrac",    "geq", "in",    "langle", "lbrace",     "leqslant", "neq",
        "overline", "pm",  "rvert", "times",  "varnothing", "wedge",    "widehat"}) {
    CHECK(command_info(name).kind != CommandKind::unknown);
    CHECK(command_info(name).meaning != name);
  }
}

TEST_CASE("Commands have a kind, and unknown ones have none") {
  CHECK(command_info("dfrac").meaning == "frac");
  CHECK(command_info("leq").kind == CommandKind::relation);
  CHECK(command_info("left").kind == CommandKind::dropped);
  CHECK(command_info("mathrm").kind == CommandKind::text);
  CHECK(command_info("pmod").kind == CommandKind::dropped_with_argument);
  CHECK(command_info("frac").kind == CommandKind::other);
  CHECK(command_info("int").kind == CommandKind::unknown);
  CHECK(command_info("").kind == CommandKind::unknown);
}

TEST_CASE("Words join, count and measure") {
  CHECK(connective(", and ") == "and");
  CHECK(connective(" or") == "or");
  CHECK(connective("and more").empty());
  CHECK(number_word("seven") == 7);
  CHECK_FALSE(number_word("odd"));
  CHECK(scale_word("million") == 1000000);
  CHECK_FALSE(scale_word("millions of"));
  CHECK(is_unit("cm"));
  CHECK_FALSE(is_unit("xy"));
  CHECK(is_function_name("sin"));
  CHECK_FALSE(is_function_name("f"));
  CHECK(is_calendar_word("june"));
  CHECK_FALSE(is_calendar_word("jun"));
  CHECK(is_qualifier("not"));
  CHECK_FALSE(is_qualifier("about"));
  CHECK(is_short_word("no"));
  CHECK_FALSE(is_short_word("xy"));
}
