// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/stated_answer.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/timing.hpp"

using posttrain::rewards::stated_answer;

TEST_CASE("A text that is nothing but mathematics is the answer") {
  CHECK(stated_answer("x=1 or x=2") == "x=1 or x=2");
  CHECK(stated_answer(" **73** ") == "73");
  CHECK(stated_answer("28 percent") == "28 percent");
  CHECK(stated_answer("½") == "½");
  CHECK(stated_answer("$\\frac13$") == "$\\frac13$");
}

TEST_CASE("What is announced as the answer is taken from the last announcement") {
  CHECK(stated_answer("The answer is 1 000.") == "1 000.");
  CHECK(stated_answer("The answer is 5. Wait. **Answer:** 73") == "73");
  CHECK(stated_answer("16 - 7 = <<16-7=9>>9 eggs\n#### 9") == "9");
  CHECK(stated_answer("The Answer is $\\frac{1}{2}$. There are 3 more.") == "$\\frac{1}{2}$");
  CHECK(stated_answer("The answer is odd.") == "odd.");
  CHECK(stated_answer("The answer is the number of hens that are left, 7, as shown.") == "7");
  CHECK(stated_answer("Answer: 7\nNote that 9 is odd.") == "7");
}

TEST_CASE("Otherwise the last formula or number counts") {
  CHECK(stated_answer("She pays $29.00.") == "$29.00");
  CHECK(stated_answer("72 clips, altogether.") == "72");
  CHECK(stated_answer("First $a=3$, hence $x = 5$ follows.") == "x = 5");
  CHECK(stated_answer("He had $5 and now has $7 in all.") == "$7");
  CHECK(stated_answer("We get \\(x^2\\) hence \\[ y = 3 \\] follows.") == " y = 3 ");
  CHECK(stated_answer("It drops to -5 degrees") == "-5");
  CHECK(stated_answer("a share of 25% then") == "25%");
  CHECK(stated_answer("about 3/4 of them stay") == "3/4");
  CHECK(stated_answer("In H2O there is none").empty());
  CHECK(stated_answer("nothing here").empty());
  CHECK(stated_answer("").empty());
}

TEST_CASE("A long text is searched once") {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "$1 ";
  CHECK(posttrain::test::least_processor_seconds([&] { CHECK(stated_answer(text) == "$1"); }) <
        2.0);
}
