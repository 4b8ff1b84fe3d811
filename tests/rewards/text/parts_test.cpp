// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/parts.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::rewards;

TEST_CASE("the answer follows the last end of thoughts") {
  CHECK(after_think("<think>a</think>b") == "b");
  CHECK(after_think("a</think>b</think> c") == " c");
  CHECK_FALSE(after_think("<think>a").has_value());
  CHECK(judged_part("<think>a", false) == "<think>a");
  CHECK_FALSE(judged_part("<think>a", true).has_value());
}

TEST_CASE("white space of any script is trimmed") {
  CHECK(trimmed("\u3000 a b\u00A0\n") == "a b");
  CHECK(trimmed(" \n").empty());
}

TEST_CASE("the last box counts, with its braces in balance") {
  CHECK(last_box("\\boxed{1} \\boxed{\\frac{1}{2}} end").content == "\\frac{1}{2}");
  CHECK(last_box("\\boxed{1} \\boxed{\\frac{1}{2}} end").end == 29);
  CHECK(last_box("\\boxed{\\{1\\}}").content == "\\{1\\}");
  CHECK(last_box("\\boxed{\\boxed{7}}").content == "7");
  CHECK(last_box("\\boxed {7}").content == "7");
  CHECK(last_box("\\fbox{7}").content == "7");
  CHECK(last_box("$\\boxed 42$").content == "42");
  CHECK_FALSE(last_box("\\boxed{}").found);  // a mention
  CHECK(last_box("\\boxed{7}, not \\boxed{}").content == "7");
  CHECK(last_box("\\boxed{ \\boxed{7} }").content == "7");
}

TEST_CASE("a mention is no box, and a box without an end is no other's fall-back") {
  CHECK_FALSE(last_box("put it into \\boxed").found);
  CHECK_FALSE(last_box("boxed{7}").found);
  CHECK(last_box("\\boxed{12}, as \\boxed wants").content == "12");
  CHECK(last_box("I try \\boxed{3}. Finally \\boxed{4").found);
  CHECK_FALSE(last_box("I try \\boxed{3}. Finally \\boxed{4").terminated);
  CHECK(last_box("\\boxed{3 and \\boxed{4}").content == "4");
  CHECK_FALSE(last_box("\\boxed{4\\}").terminated);
  CHECK_FALSE(last_box("").found);
}

TEST_CASE("the last fenced block is read") {
  CHECK(last_fenced_block("a\n```json\n{}\n```\nb") == "{}");
  CHECK(last_fenced_block("```\n1\n```\n```py\n2\n3\n```") == "2\n3");
  CHECK(last_fenced_block("```\n```") == "");
  CHECK_FALSE(last_fenced_block("```\nno end").has_value());
  CHECK_FALSE(last_fenced_block("none").has_value());
  CHECK(last_fenced_block("```\n1\n```\n```\nno end") == "1");
}

TEST_CASE("parts take time in proportion to the text") {
  for (const std::string piece : {"\\boxed ", "\\boxed{", "\\fbox", "```\n", "```"}) {
    INFO(piece);
    CHECK(posttrain::test::is_linear(
        50'000,
        [&](std::size_t size) {
          std::string text;
          while (text.size() < size) text += piece;
          return text;
        },
        [](const std::string& text) {
          (void)last_box(text);
          (void)last_fenced_block(text);
        }));
  }
}
