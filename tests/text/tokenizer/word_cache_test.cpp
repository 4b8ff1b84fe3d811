// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/word_cache.hpp"

#include <string>
#include <string_view>

#include "support/catch.hpp"

using posttrain::TokenIds;
using posttrain::text::WordCache;

TEST_CASE("A word is encoded once, a long one each time, and many words push old ones out") {
  WordCache cache;
  int calls = 0;
  const auto encode = [&](std::string_view word, TokenIds& out) {
    ++calls;
    for (const char c : word) out.push_back(c);
  };
  const auto get = [&](const std::string& word) {
    TokenIds ids{-1};
    cache.get(word, ids, encode);
    TokenIds wanted{-1};
    for (const char c : word) wanted.push_back(c);
    return ids == wanted;
  };
  for (int i = 0; i < 3; ++i) CHECK((get("a") && get("bc") && get("")));
  CHECK(calls == 3);
  const std::string longer(WordCache::kLongestWord + 1, 'x');
  for (int i = 0; i < 2; ++i) CHECK(get(longer));
  CHECK(calls == 5);
  bool right = true;
  for (int i = 0; i < 200000; ++i) right = right && get(std::to_string(i));
  CHECK(right);
  CHECK(calls == 200005);
  CHECK(get("bc"));
}
