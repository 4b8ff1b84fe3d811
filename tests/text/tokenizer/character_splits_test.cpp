// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/character_splits.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;

namespace {

template <class Split>
std::string parts(std::string_view text, Split&& split) {
  std::string out;
  split(text, [&](std::size_t begin, std::size_t end) {
    if (!out.empty()) out += '|';
    out += text.substr(begin, end - begin);
  });
  return out;
}

}  // namespace

TEST_CASE("BERT's split: white space falls away, punctuation stands alone") {
  const auto bert = [](std::string_view text, auto&& emit) { split_bert(text, emit); };
  CHECK(parts("a b,c \u3000 x$y¡", bert) == "a|b|,|c|x|$|y|¡");
  CHECK(parts(" ", bert).empty());
  CHECK(is_punctuation('$'));
  CHECK_FALSE(is_punctuation(U'€'));  // a symbol beyond ASCII
}

TEST_CASE("Words and what lies between them") {
  const auto words = [](std::string_view text, auto&& emit) { split_words(text, emit); };
  CHECK(parts("it's é_1 ...!", words) == "it|'|s|é_1|...!");
}

TEST_CASE("Stretches of equal length, the last one shorter") {
  const auto two = [](std::string_view text, auto&& emit) { split_fixed_length(text, 2, emit); };
  CHECK(parts("aébcd", two) == "aé|bc|d");
  CHECK(parts("", two).empty());
}
