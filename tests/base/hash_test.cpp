// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/hash.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

using posttrain::ContentHash;

namespace {

ContentHash::Value hash_of(const std::vector<std::string>& texts) {
  ContentHash hash;
  for (const std::string& text : texts) hash.add(text);
  return hash.value();
}

}  // namespace

TEST_CASE("equal content has equal hashes, and every change shows") {
  CHECK(hash_of({"ab", "c"}) == hash_of({"ab", "c"}));
  CHECK(hash_of({"ab", "c"}) != hash_of({"a", "bc"}));
  CHECK(hash_of({"ab", "c"}) != hash_of({"c", "ab"}));
  CHECK(hash_of({}) != hash_of({""}));
  CHECK(hash_of({"a"}) != hash_of({std::string("a\0", 2)}));

  // One bit of a text of several words, whichever it is, changes both lanes.
  for (const std::string& text : {std::string("twenty-one characters"), std::string(301, 'x')}) {
    std::set<std::uint64_t> first, second;
    for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
      std::string changed = text;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      const ContentHash::Value value = hash_of({changed});
      first.insert(value[0]);
      second.insert(value[1]);
    }
    CHECK(first.size() == 8 * text.size());
    CHECK(second.size() == 8 * text.size());
    CHECK_FALSE(first.contains(hash_of({text})[0]));
  }
  // The order of the words counts in long texts, too.
  std::string swapped(320, 'x');
  for (std::size_t i = 0; i < swapped.size(); ++i) swapped[i] = static_cast<char>(i / 8);
  std::string other = swapped;
  std::swap_ranges(other.begin(), other.begin() + 8, other.begin() + 8);
  CHECK(hash_of({swapped}) != hash_of({other}));
  CHECK(ContentHash().text().size() == 32);
}
