// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/added_tokens.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"

using posttrain::text::AddedToken;
using posttrain::text::AddedTokenMatcher;

namespace {

/// The sections of a text: "text|id:text|…".
std::string cut(const AddedTokenMatcher& matcher, std::string_view text) {
  std::string out;
  for (const auto& section : matcher.split(text)) {
    if (!out.empty()) out += '|';
    if (section.id >= 0) out += std::to_string(section.id) + ":";
    out += text.substr(section.begin, section.end - section.begin);
  }
  return out;
}

}  // namespace

TEST_CASE("Added tokens are found leftmost and longest") {
  AddedTokenMatcher matcher;
  CHECK(matcher.empty());
  CHECK(cut(matcher, "ab") == "ab");
  matcher.add("<a>", {.id = 1});
  matcher.add("<a><b>", {.id = 2});
  matcher.add("<a>", {.id = 3});  // of equal text: ignored
  matcher.add("", {.id = 4});
  CHECK(cut(matcher, "x<a><b><a>y") == "x|2:<a><b>|1:<a>|y");
  CHECK(cut(matcher, "<a") == "<a");
  CHECK(cut(matcher, "").empty());
}

TEST_CASE("Added tokens stand alone or swallow white space where they say so") {
  AddedTokenMatcher matcher;
  matcher.add("w", {.id = 1, .single_word = true});
  matcher.add("<l>", {.id = 2, .lstrip = true});
  matcher.add("<r>", {.id = 3, .rstrip = true});
  CHECK(cut(matcher, "w we éw (w)") == "1:w| we éw (|1:w|)");
  CHECK(cut(matcher, "a \n<l> b") == "a|2: \n<l>| b");
  CHECK(cut(matcher, "<r> <l>") == "3:<r> |2:<l>");
}
