// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/read_files.hpp"

#include <sys/stat.h>

#include <chrono>

#include "posttrain/base/hash.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;
using data::ReadFile;
using data::ReadFiles;

namespace fs = std::filesystem;

namespace {

std::string hash_of(std::string_view bytes) {
  ContentHash hash;
  hash.add(bytes);
  return hash.text();
}

}  // namespace

TEST_CASE("the files of a path are told by size and content", "[data][read_files]") {
  const TempFolder scratch;
  fs::create_directories(scratch / "data");
  scratch.write("data/b.jsonl", "{}\n{}\n");
  scratch.write("data/a.jsonl", "{}\n");
  scratch.write("data/notes.md", "not read");
  scratch.write("held.jsonl", "[]\n");
  ReadFiles files;
  files.add((scratch / "data").string());
  files.add((scratch / "held.jsonl").string(), true);
  files.add((scratch / "nowhere.jsonl").string());
  REQUIRE(files.all().size() == 3);
  CHECK(files.all()[0].path == scratch / "data/a.jsonl");
  CHECK(files.all()[0].content() == hash_of("{}\n"));
  CHECK(files.all()[1].content() == hash_of("{}\n{}\n"));
  CHECK(files.all()[1].bytes == 6);
  CHECK_FALSE(files.all()[1].validation);
  CHECK(files.all()[2].validation);
  CHECK(files.description() ==
        fmt::format("{0}/data/a.jsonl (3 bytes), {0}/data/b.jsonl (6 bytes), "
                    "{0}/held.jsonl (3 bytes)",
                    scratch.path().string()));
  ReadFiles more;
  more.add((scratch / "held.jsonl").string());
  more.merge(files);
  CHECK(more.all().size() == 3);
  CHECK(more.all()[0].path == scratch / "held.jsonl");
}

TEST_CASE("a file that changed since it was read has no hash", "[data][read_files]") {
  const TempFolder scratch;
  const std::string path = scratch.write("a.jsonl", "{}\n");
  ReadFiles files;
  files.add(path);
  const ReadFile file = files.all().at(0);
  REQUIRE(file.content().has_value());
  scratch.write("a.jsonl", "{}\n{}\n");
  CHECK_FALSE(file.content().has_value());
  scratch.write("a.jsonl", "[]\n");  // of the same size
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(2));
  CHECK_FALSE(file.content().has_value());
  fs::remove(path);
  CHECK_FALSE(file.content().has_value());
}

TEST_CASE("a pipe is read once, and not to be hashed", "[data][read_files]") {
  const TempFolder scratch;
  const std::string path = scratch / "pipe.jsonl";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  ReadFiles files;
  files.add(path);
  REQUIRE(files.all().size() == 1);
  CHECK_FALSE(files.all()[0].can_be_hashed);
  CHECK_FALSE(files.all()[0].content().has_value());  // and does not wait for a writer
  CHECK(files.description() == path);
}
