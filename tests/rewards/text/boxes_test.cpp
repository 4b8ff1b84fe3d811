// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/boxes.hpp"

#include <cstddef>
#include <string>

#include "support/catch.hpp"

using namespace posttrain::rewards;

namespace {

std::string answer(const std::string& text, bool join = false) {
  const Boxes boxes = find_boxes(text);
  if (boxes.cut_off) return "(cut off)";
  return boxes.closed.empty() ? "(none)" : boxed_answer(text, boxes, join);
}

}  // namespace

TEST_CASE("The last box counts, and of boxes in each other the outermost") {
  CHECK(answer(R"(\boxed{1} then \boxed{2})") == "2");
  CHECK(answer(R"(\fbox{1} then \fbox{2})") == "2");
  CHECK(answer(R"(\boxed{\boxed{7}})") == R"(\boxed{7})");
  CHECK(answer(R"(\boxed{3} = \boxed{x = \boxed{7}})") == R"(x = \boxed{7})");
  CHECK(answer(R"(\boxed{\frac{1}{2}})") == R"(\frac{1}{2})");
  CHECK(answer(R"(\boxed
 {7})") == "7");
}

TEST_CASE("A box that is cut off is no answer, whatever stood before") {
  CHECK(answer(R"(\boxed{3} and \boxed{4)") == "(cut off)");
  CHECK(answer(R"(\boxed{\frac{1}{2})") == "(cut off)");
  CHECK(answer(R"(\boxed{)") == "(cut off)");
  // One that was left open long before the last box does not matter.
  CHECK(answer(R"(I use \boxed{ for it. So \boxed{4})") == "4");
}

TEST_CASE("A mention of a box is none") {
  CHECK(answer(R"(a \boxed answer)") == "(none)");
  CHECK(answer(R"(\boxed{12}, in a \boxed{} as you asked)") == "12");
  CHECK(answer(R"(\boxed{ }.)") == "(none)");
  CHECK(answer(R"(\boxedly{5})") == "(none)");
  CHECK(answer("boxed{5}") == "(none)");
  CHECK(answer("") == "(none)");
}

TEST_CASE("A box without braces holds its number") {
  CHECK(answer(R"($\boxed 42$)") == "42");
  CHECK(answer(R"(\boxed -1,024.5.)") == "-1,024.5");
  CHECK(answer(R"(\boxed42)") == "42");
}

TEST_CASE("Braces that are written out do not close a box") {
  CHECK(answer(R"(\boxed{\{1, 2\}})") == R"(\{1, 2\})");
  CHECK(answer(R"(\boxed{a \\ b})") == R"(a \\ b)");
  CHECK(answer(R"(\\boxed{5})") == "5");
  CHECK(answer(R"(} } \boxed{4})") == "4");
}

TEST_CASE("Boxes side by side are joined on request, others never") {
  CHECK(answer(R"($\boxed{6}$ and $\boxed{8}$)", true) == "6, 8");
  CHECK(answer(R"($\boxed{6}$, \(\boxed{7}\) \text{ or } \boxed{8}$)", true) == "6, 7, 8");
  CHECK(answer(R"($\boxed{6}$ and again $\boxed{8}$)", true) == "8");
  CHECK(answer(R"($\boxed{6}$ and $\boxed{8}$)", false) == "8");
}

TEST_CASE("A percent sign behind the box belongs to it") {
  CHECK(answer(R"(\boxed{28}\%)") == R"(28\%)");
  CHECK(answer(R"($\boxed{28}$ percent)") == R"(28\%)");
  CHECK(answer(R"(\boxed{28\%} %)") == R"(28\%)");
  CHECK(answer(R"(\boxed{28} people)") == "28");
}

TEST_CASE("However deeply boxes nest, each byte is read once") {
  constexpr std::size_t kDeep = 200000;  // a second look at what each box holds would take minutes
  std::string text;
  for (std::size_t i = 0; i < kDeep; ++i) text += "\\boxed{";
  text += "7" + std::string(kDeep, '}');
  const Boxes boxes = find_boxes(text);
  REQUIRE(boxes.closed.size() == 1);
  CHECK(boxes.closed.front().end == text.size());
  CHECK(find_boxes(std::string(1000000, '{')).closed.empty());
}
