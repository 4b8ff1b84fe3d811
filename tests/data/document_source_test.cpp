// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/document_source.hpp"

#include "io/temp_folder.hpp"
#include "support/catch.hpp"

using posttrain::Sequence;
using posttrain::TokenIds;
using posttrain::data::document_blocks;
using posttrain::data::document_samples;
using posttrain::data::document_text;
using posttrain::data::Json;
using posttrain::data::Sample;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

std::vector<Sample> all(const std::string& path, std::string_view delimiter = "") {
  std::vector<Sample> samples;
  for (auto&& sample : document_samples(path, delimiter)) samples.push_back(*sample);
  return samples;
}

}  // namespace

TEST_CASE("a document becomes blocks that hold every token once, each block's first unscored [C14]",
          "[C14]") {
  for (std::int64_t block_size = 3; block_size <= 8; ++block_size) {
    for (std::size_t length = 2; length < 40; ++length) {
      TokenIds ids(length);
      for (std::size_t i = 0; i < length; ++i) ids[i] = static_cast<posttrain::TokenId>(i);
      TokenIds joined;
      for (const Sequence& block : document_blocks(ids, block_size)) {
        REQUIRE(block.ids.size() <= static_cast<std::size_t>(block_size));
        REQUIRE(block.ids.size() >= 2);  // so every block has something to score
        REQUIRE(block.weights.size() == block.ids.size());
        REQUIRE(block.weights[0] == 0.0F);
        REQUIRE(block.scored() + 1 == static_cast<std::int64_t>(block.ids.size()));
        joined.insert(joined.end(), block.ids.begin(), block.ids.end());
      }
      REQUIRE(joined == ids);
    }
  }
  CHECK(document_blocks({1, 2, 3}, 0).size() == 1);
  CHECK(document_blocks({}, 4).empty());
  CHECK(document_blocks({1}, 4).size() == 1);
}

TEST_CASE("a text file is one document, or several between delimiters, with their lines") {
  const TempFolder scratch;
  const std::string path = scratch.write("a.txt", "one\ntwo\n---\n\n---\nthree\n---\nfour");
  REQUIRE(all(path).size() == 1);
  const auto parts = all(path, "---\n");
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].value == "one\ntwo\n");
  CHECK(parts[1].value == "three\n");
  CHECK(parts[1].where == path + ":6");
  CHECK(parts[2].value == "four");
  CHECK(parts[2].where == path + ":8");
  CHECK(all(scratch.write("b.txt", "x---\n"), "---\n").size() == 1);
  CHECK(all(scratch.write("c.txt", " \n")).empty());
  CHECK(all(scratch.write("d.txt", "")).empty());
}

TEST_CASE("JSON documents come from their column and folders from all their files") {
  const TempFolder scratch;
  scratch.write("2.jsonl", "{\"document\": \"b\"}\n{\"document\": \"c\"}\n");
  scratch.write("1.txt", "a");
  scratch.write("3.json", "[\"d\"]");
  scratch.write("notes.md", "not read");
  std::string joined;
  for (const Sample& sample : all(scratch.path().string())) {
    joined += document_text(sample.value, "document");
  }
  CHECK(joined == "abcd");
  CHECK(document_text(Json{{"text", "x"}}, "text") == "x");
  CHECK(contains(error_of([] {
                   document_text(Json{{"text", "x"}}, "document");
                 }),
                 "expected a text 'document'; hint: document_column"));
  CHECK(contains(error_of([] {
                   document_text(Json{{"document", 3}}, "document");
                 }),
                 "expected a text 'document'"));
  CHECK(contains(error_of([] { document_text(Json(3), "document"); }), "expected a text"));
  const TempFolder empty;
  CHECK(contains(error_of([&] { all(empty.path().string()); }), "in the folder"));
}
