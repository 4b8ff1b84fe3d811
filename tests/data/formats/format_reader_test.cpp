// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/format_reader.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using posttrain::test::contains;
using posttrain::test::TempFolder;

TEST_CASE("the first good record decides the format of a path") {
  const TempFolder scratch;
  const std::string path = scratch.write("a.jsonl",
                                         "{\"text\": \n{\"other\": 1}\n{\"question\": \"q\"}\n"
                                         "{\"prompt\": \"p\"}\n{\"text\": \"x\"}\n");
  FormatReader reader(
      path, [](Format format) { return format == Format::question || format == Format::prompt; },
      "questions");
  CHECK(reader.description() == path + ": nothing readable");
  CHECK(contains(reader.next()->error, "expected JSON"));
  CHECK(reader.next()->error == "expected questions, got the keys other");
  CHECK_FALSE(reader.format());
  CHECK(reader.next()->error.empty());
  CHECK(reader.format() == Format::question);
  CHECK(reader.next()->error == "expected questions as before, got prompts (the keys prompt)");
  CHECK(reader.next()->error == "expected questions, got documents");
  CHECK_FALSE(reader.next());
  CHECK(reader.description() == path + ": questions");
}

TEST_CASE("columns that a format does not read are counted by name") {
  const TempFolder scratch;
  const std::string path = scratch.write("a.jsonl",
                                         "{\"messages\": [], \"note\": 1, \"id\": 7}\n"
                                         "{\"messages\": [], \"note\": null, \"votes\": 2}\n"
                                         "{\"messages\": [], \"note\": \"x\", \"system\": \"\"}\n");
  FormatReader reader(
      path, [](Format format) { return format == Format::messages; }, "conversations");
  while (reader.next()) {
  }
  CHECK(reader.unread().description() == "'note' (2 samples), 'votes' (1)");
}
