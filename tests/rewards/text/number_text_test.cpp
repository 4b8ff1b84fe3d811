// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/number_text.hpp"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::rewards;

namespace {

/// The number as text, with a percent sign; "none".
std::string shown(const std::optional<NumberText>& number) {
  return number ? number->value.text() + (number->percent ? "%" : "") : "none";
}
std::string whole(const std::string& text) { return shown(whole_number(text)); }
std::string last(const std::string& text) { return shown(last_number(text)); }

}  // namespace

TEST_CASE("a number is read in each way that it is written") {
  const std::vector<std::pair<const char*, const char*>> cases{
      {"42", "42"},
      {" +7 ", "7"},
      {"-0", "0"},
      {"7,425,000", "7425000"},
      {"1,000.0", "1000"},
      {".4", "0.4"},
      {"10'000", "10000"},
      {"10’000", "10000"},
      {"1 000", "1000"},
      {"1\u202F234\u202F567", "1234567"},
      {"1\u00A0000", "1000"},
      {"32,\\!349", "32349"},
      {"14{,}916", "14916"},
      {"10\\,000", "10000"},
      {"−3", "-3"},
      {"–3", "-3"},
      {"４２", "42"},
      {"－４．５", "-4.5"},
      {"1e3", "1000"},
      {"1.5E-3", "0.0015"},
      {"1.5 \\times 10^{3}", "1500"},
      {"2 × 10^-2", "0.02"},
      {"$18", "18"},
      {"\\$18", "18"},
      {"-$18", "-18"},
      {"$-18$", "-18"},
      {"€5", "5"},
      {"5 €", "5"},
      {"₹ 500", "500"},
      {"Rs. 500", "500"},
      {"28%", "28%"},
      {"28\\%", "28%"},
      {"28 percent", "28%"},
      {"28 pct", "28%"},
      {"28 ％", "28%"},
      {"**73**", "73"},
      {"$\\boldsymbol{73}$", "73"},
      {"\\text{13}", "13"},
      {"42.", "42"},
      {"42,", "42"},
      {"18 dollars", "18"},
      {"18\\text{ dollars}", "18"},
      {"125\\textnormal{ miles}", "125"},
      {"15\\mbox{ cm}^2", "15"},
      {"15 cm²", "15"},
      {"90^\\circ", "90"},
      {"90^{\\circ}", "90"},
      {"90°", "90"},
      {"5\\,\\mathrm{m/s}", "5"},
      {"5 km/h", "5"},
      {"5/hour", "5"},
      {"5kg", "5"},
      {"1000000000000001", "1000000000000001"},
  };
  for (const auto& [text, value] : cases) {
    INFO(text);
    CHECK(whole(text) == value);
  }
}

TEST_CASE("what is no number as a whole is none") {
  for (const char* text :
       {"",           "-",         "$",          ".",       "1/2",       "3-5",   "3–5",
        "5:30",       "1,23",      "1.234,5",    "32, 349", "1,2",       "2x",    "5 x",
        "5!",         "3rd",       "5 million",  "2 dozen", "5 squared", "x = 5", "2+3",
        "2 + 3",      "2^3",       "2^{3}",      "5²",      "5½",        "½",     "\\frac{1}{2}",
        "2\\sqrt{3}", "\\sqrt{4}", "2\\pi",      "2π",      "2 pi",      "1e",    "--5",
        "5 or 6",     "5 and 6",   "B12",        "1_000",   "12,34,567", "1 2",   "(5)",
        "|5|",        "5/x",       "2020-01-02", "1.2.3",   "\\pm 5",    "5\\pm", "-",
        "five",       "NaN",       "inf"}) {
    INFO(text);
    CHECK(whole(text) == "none");
  }
}

TEST_CASE("the last number of a text is found, or nothing where it is doubtful") {
  CHECK(last("The total is 7,425,000.") == "7425000");
  CHECK(last("so we get 1,000.0") == "1000");
  CHECK(last("The answer is .4") == "0.4");
  CHECK(last("The answer is 1 000") == "1000");
  CHECK(last("She pays $29.00.") == "29");
  CHECK(last("He needs 72.") == "72");
  CHECK(last("72 clips, altogether.") == "72");
  CHECK(last("the total is 21") == "21");
  CHECK(last("**73**") == "73");
  CHECK(last("**Answer:** 73") == "73");
  CHECK(last("it falls to −12 °C") == "-12");
  CHECK(last("5 + 3 = 8 apples!") == "8");
  CHECK(last("It costs 8 (see step2, B12).") == "8");
  CHECK(last("42 on the 3rd day") == "42");
  CHECK(last("a share of 28 percent") == "28%");
  CHECK(last("- 5 apples") == "5");
  CHECK(last("Answer: 5!") == "5");
  CHECK(last("$5/hour") == "5");
  CHECK(last("5 x 3 = 15") == "15");
  CHECK(last("\\boxed{42}") == "42");
  CHECK(last("x &= 42 \\\\") == "42");
  CHECK(last("x \\approx 42") == "42");
  for (const char* text : {"no digits",
                           "",
                           "I get 3 or 1/2",
                           "between 3 and 5-7",
                           "at 5:30",
                           "x = 5 + 3",
                           "is 2x",
                           "about 5 million",
                           "on 2020-01-02",
                           "1,23",
                           "2 * 3",
                           "2 × 3",
                           "7 ½",
                           "2^3",
                           "\\frac{3}{4}",
                           "\\sqrt{4}",
                           "2\\sqrt{3}",
                           "4 \\sqrt{x}",
                           "x^{3}",
                           "so 5 x 3",
                           "\\sqrt[3]{5}",
                           "f(3)",
                           "x-3"}) {
    INFO(text);
    CHECK(last(text) == "none");
  }
}

TEST_CASE("a percent sign or word may follow") {
  for (const char* text : {"%", "\\%", "$\\%", " percent of", " pct.", "％"}) {
    INFO(text);
    CHECK(begins_with_percent(text));
  }
  for (const char* text : {"", " percentage", "5%", ".", "of 5%"}) {
    INFO(text);
    CHECK_FALSE(begins_with_percent(text));
  }
}

TEST_CASE("the calculator's marks are left out") {
  CHECK(without_calculator_marks("48/2 = <<48/2=24>>24 and <<24+1=25>>25") == "48/2 = 24 and 25");
  CHECK(without_calculator_marks("1 << 2 and 3 >> 1") == "1 << 2 and 3 >> 1");
  CHECK(without_calculator_marks("<<1=1") == "<<1=1");
  CHECK(without_calculator_marks("cout << \"a=b\"\n>> 1") == "cout << \"a=b\"\n>> 1");
  CHECK(without_calculator_marks("") == "");
}

TEST_CASE("reading takes time in proportion to the text") {
  for (const std::string piece :
       {"1 ", "1,000,", "<<", "1e", "1/", "\\text{", "$", "- ", "{1", " x 1", "\\a{1"}) {
    INFO(piece);
    CHECK(posttrain::test::is_linear(
        20'000,
        [&](std::size_t size) {
          std::string text;
          while (text.size() < size) text += piece;
          return text;
        },
        [](const std::string& text) {
          (void)last_number(text);
          (void)whole_number(text);
          (void)without_calculator_marks(text);
        }));
  }
}
