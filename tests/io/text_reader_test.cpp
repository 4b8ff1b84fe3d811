// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/text_reader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/gzip_file.hpp"
#include "support/temp_folder.hpp"

using posttrain::io::TextReader;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::write_gzip;

namespace {

/// All of a file, consumed in pieces.
std::string read_all(const std::filesystem::path& path) {
  TextReader reader(path);
  std::string text;
  do {
    while (!reader.window().empty()) {
      const std::string_view piece = reader.window().substr(0, 1000);
      text += piece;
      reader.consume(piece.size());
    }
  } while (reader.extend());
  return text;
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("plain files, gzip files of several members and pipes give the same bytes") {
  const TempFolder scratch;
  const std::string text = numbers(200'000);  // more than one chunk
  CHECK(read_all(scratch.write("plain", text)) == text);
  CHECK(read_all(write_gzip(scratch / "one.gz", text)) == text);
  const auto half = text.size() / 2;
  write_gzip(scratch / "two.gz", text.substr(0, half));
  CHECK(read_all(write_gzip(scratch / "two.gz", text.substr(half), /*append=*/true)) == text);
  CHECK(read_all(scratch.write("empty", "")).empty());

  const std::string pipe = (scratch / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  const std::string read = read_all(pipe);
  writer.join();
  CHECK(read == text);
}

TEST_CASE("a window that is not consumed grows by doubling") {
  const TempFolder scratch;
  const std::string text(3'000'000, 'x');
  TextReader reader(write_gzip(scratch / "x.gz", text));
  std::size_t last = 0;
  while (reader.extend()) {
    CHECK(reader.window().size() >= std::min(2 * last, text.size()));
    last = reader.window().size();
  }
  CHECK(reader.window() == text);
}

TEST_CASE("damaged data and folders are errors that name the file") {
  const TempFolder scratch;
  write_gzip(scratch / "x.gz", numbers(100'000));
  const std::string whole = posttrain::test::slurp(scratch / "x.gz");
  const std::string cut = scratch.write("cut.gz", whole.substr(0, whole.size() / 2));
  CHECK(contains(error_of([&] { read_all(cut); }), "cut.gz: the gzip data is damaged or cut off"));
  CHECK(contains(error_of([&] { read_all(scratch.path()); }), "found a folder"));
  CHECK(contains(error_of([&] { read_all(scratch / "absent"); }), "No such file"));
  CHECK(contains(error_of([&] { read_all("/dev/zero"); }),
                 "expected a file or a pipe at /dev/zero, found a device"));
}
