// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/byte_alphabet.hpp"

#include <set>
#include <string>

#include "support/catch.hpp"

using posttrain::text::ByteAlphabet;

TEST_CASE("Every byte has a character of its own, and back") {
  const ByteAlphabet& alphabet = ByteAlphabet::get();
  CHECK(alphabet.character('a') == "a");
  CHECK(alphabet.character(' ') == "Ġ");
  CHECK(alphabet.character('\n') == "Ċ");
  std::set<std::string> seen;
  for (int b = 0; b < 256; ++b) {
    const std::string& c = alphabet.character(static_cast<unsigned char>(b));
    CHECK(seen.insert(c).second);
    std::string back;
    alphabet.decode(c, back);
    CHECK(back == std::string(1, static_cast<char>(b)));
  }
  CHECK(alphabet.encode("é ") == "Ã©Ġ");
  CHECK(alphabet.byte(U'你') == -1);
}

TEST_CASE("A token with a foreign character stands for its own UTF-8") {
  std::string out = "x";
  ByteAlphabet::get().decode("Ġ你", out);
  CHECK(out == "xĠ你");
}
