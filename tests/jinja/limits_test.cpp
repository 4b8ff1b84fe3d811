// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/limits.hpp"

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("An account bounds steps, and gives the outer one back as it was") {
  const Account outer;
  spend(5);
  {
    const Account inner;
    CHECK(budget().steps == 0);
    spend(static_cast<std::size_t>(kMostSteps));
    CHECK_THROWS_WITH(spend(1), Catch::Contains("too many steps"));
  }
  CHECK(budget().steps == 5);
}

TEST_CASE("Texts, lists and nesting have a largest size") {
  const Account account;
  CHECK_NOTHROW(check_text(kLargestText));
  CHECK(budget().steps == static_cast<std::int64_t>(kLargestText / 64));
  CHECK_THROWS_WITH(check_text(kLargestText + 1), Catch::Contains("a text of more than"));
  CHECK_THROWS_WITH(check_list(kLargestList + 1), Catch::Contains("a list of more than"));
  const Level one(2);
  {
    const Level two(2);
    CHECK_THROWS_WITH(Level(2), Catch::Contains("nested too deeply"));
  }
  CHECK_NOTHROW(Level(2));
}
