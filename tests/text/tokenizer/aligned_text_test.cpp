// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/aligned_text.hpp"

#include "support/catch.hpp"

using namespace posttrain::text;

TEST_CASE("Edited text knows the source of each byte") {
  const AlignedText source("aéb", 10, true);
  TextEdit edit{Piece(source)};
  edit.keep(1);
  edit.put(U'e', 0);  // in the place of é
  edit.put(0x301, 1);
  edit.drop(1);
  edit.insert("!");
  const AlignedText out = edit.finish();
  CHECK(out.text == "ae\u0301!");
  const Piece whole(out);
  CHECK(whole.source_of(0, 1) == ByteRange{10, 11});
  CHECK(whole.source_of(1, 4) == ByteRange{11, 13});
  CHECK(whole.source_of(4, 5) == ByteRange{13, 14});
  CHECK(whole.part(1, 4).source_of(0, 3) == ByteRange{11, 13});
}

TEST_CASE("Without tracking, text is edited and has no ranges") {
  const AlignedText source("abc", 5, false);
  TextEdit edit{Piece(source)};
  edit.keep(1);
  edit.replace(1, "xy");
  edit.keep(99);
  CHECK(edit.position() == 3);
  const AlignedText out = edit.finish();
  CHECK(out.text == "axyc");
  CHECK(out.source.empty());
  CHECK(Piece(out).part(1, 3).source == nullptr);
  CHECK(Piece(out).source_of(4, 4) == ByteRange{9, 9});  // an empty stretch, from where it starts
}
