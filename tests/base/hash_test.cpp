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

TEST_CASE("bytes in parts have the hash of the bytes in one") {
  std::vector<std::byte> bytes(1003);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i / 3);
  for (const std::size_t size : {0U, 5U, 96U, 255U, 256U, 257U, 320U, 1003U}) {
    const std::span<const std::byte> all = std::span(bytes).first(size);
    ContentHash whole;
    whole.add("name");
    whole.add(all);
    for (const std::size_t part : {32U, 96U, 256U, 1024U}) {
      INFO(size << " bytes in parts of " << part);
      ContentHash hash;
      hash.add("name");
      ContentHash::Parts parts(hash, size);
      for (std::size_t begin = 0; begin < size; begin += part) {
        parts.add(all.subspan(begin, std::min(part, size - begin)));
      }
      CHECK(hash.value() == whole.value());
    }
  }
  // As it has been in every checkpoint so far.
  ContentHash known;
  known.add(bytes);
  CHECK(known.text() == "ae5d6d901598c3d34605e0daeb130bfe");
}
