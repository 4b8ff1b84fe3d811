// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/json_lines.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"

using posttrain::io::JsonLinesReader;
using posttrain::io::JsonRecord;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::vector<JsonRecord> read_all(const std::string& path) {
  JsonLinesReader reader(path);
  std::vector<JsonRecord> records;
  while (auto record = reader.next()) records.push_back(*std::move(record));
  return records;
}

std::vector<JsonRecord> read_content(std::string_view content) {
  const TempFolder scratch;
  return read_all(scratch.write("x.jsonl", content));
}

}  // namespace

TEST_CASE("JSON lines come with their line numbers, across blank lines, CRLF and a BOM") {
  const auto records = read_content("\xEF\xBB\xBF{\"a\": 1}\r\n\r\n  {\"a\": 2}\n{\"a\": 3}");
  REQUIRE(records.size() == 3);
  CHECK(records[0].value["a"] == 1);
  CHECK(records[1].line == 3);
  CHECK(records[2].line == 4);
  CHECK(records[2].value["a"] == 3);
  CHECK(read_content("").empty());
  CHECK(read_content("\n \n").empty());
}

TEST_CASE("a malformed line is reported in one line and does not hide the next") {
  const auto records = read_content("{\"a\": 1}\n{\"a\": \n{\"b\": \"\xff\"}\n{\"a\": 4}\n");
  REQUIRE(records.size() == 4);
  CHECK(records[0].error.empty());
  CHECK(contains(records[1].error, "expected JSON, line 1, column"));
  CHECK_FALSE(contains(records[1].error, "\n"));
  CHECK_FALSE(records[2].error.empty());
  CHECK(records[3].error.empty());
  CHECK(records[3].line == 4);
}

TEST_CASE("objects over several lines and several on one line are read") {
  const auto records =
      read_content("{\n  \"a\": [1,\n \"}{\"]\n}\n{\"a\": 2} {\"a\": 3}{\"a\":\n4}\n{\"a\": 5}\n");
  REQUIRE(records.size() == 5);
  for (const JsonRecord& record : records) CHECK(record.error.empty());
  CHECK(records[0].value["a"][1] == "}{");
  CHECK(records[1].line == 5);
  CHECK(records[2].line == 5);
  CHECK(records[3].value["a"] == 4);
  CHECK(records[4].line == 7);
}

TEST_CASE("a JSON array is read element by element") {
  const auto records = read_content("[\n  {\"a\": \"],[\\\"\"},\n  {\n \"a\": [1, {}]\n  }, 7 ]\n");
  REQUIRE(records.size() == 3);
  CHECK(records[0].value["a"] == "],[\"");
  CHECK(records[0].line == 2);
  CHECK(records[1].line == 3);
  CHECK(records[1].value["a"][0] == 1);
  CHECK(records[2].value == 7);
  CHECK(read_content("[]").empty());
  CHECK(read_content(" [ ] ").empty());
}

TEST_CASE("a malformed array is reported and always ends") {
  CHECK(contains(read_content("[{\"a\": 1}").back().error, "expected the array to end with ']'"));
  CHECK(contains(read_content("[").back().error, "expected the array to end"));
  CHECK(contains(read_content("[1,]").back().error, "expected JSON"));
  CHECK(contains(read_content("[1] 2").back().error, "expected the end of the file"));
  const auto records = read_content("[{\"a\": }, {\"a\": 2}]");
  REQUIRE(records.size() == 2);
  CHECK_FALSE(records[0].error.empty());
  CHECK(records[1].value["a"] == 2);
  for (const std::string_view text : {"[,]", "[}", "[}]", "[]]", "[\"", "[\"\\", "[[[", "[1}]"}) {
    CHECK_FALSE(read_content(text).back().error.empty());
  }
}

TEST_CASE("a file that cannot be read is an error that names it") {
  const TempFolder scratch;
  CHECK(contains(error_of([&] { JsonLinesReader reader(scratch / "none.jsonl"); }),
                 "none.jsonl failed: No such file"));
  CHECK(contains(error_of([&] { JsonLinesReader reader(scratch.path()); }), "found a folder"));
}

TEST_CASE("real data files read without error") {
  POSTTRAIN_SHARED_OR_SKIP(path, "data/datasets");
  CHECK(read_all(path + "/gsm8k/test.jsonl").size() == 1319);
  for (const auto& record : read_all(path + "/llamafactory/glaive_toolcall_en_demo.json")) {
    REQUIRE(record.error.empty());
    REQUIRE(record.value.is_object());
  }
}
