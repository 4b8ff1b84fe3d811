// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/file.hpp"

#include <filesystem>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::io;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

TEST_CASE("a file is written anew, appended to, or filled in at an offset") {
  const TempFolder scratch;
  const fs::path path = scratch / "x";
  for (const char* text : {"first and longer", "second"}) {
    OutputFile file(path);
    file.write(text);
    file.close();
  }
  CHECK(slurp(path) == "second");
  OutputFile file(path, /*append=*/true);
  file.write(" and third");
  file.close();
  CHECK(slurp(path) == "second and third");
  OutputFile other(scratch / "y");
  other.write("ab");
  other.write_at(4, std::as_bytes(std::span("ef", 2)));
  other.write("cd");  // where the last write ended
  other.close();
  CHECK(slurp(scratch / "y") == "abcdef");
}

TEST_CASE("a mapped file stays readable after it is unlinked, and after its pages are given back") {
  const TempFolder scratch;
  const std::string text(100'000, 'x');
  const std::string path = scratch.write("x", text);
  const MappedFile file(path);
  std::filesystem::remove(path);
  CHECK(text_of(file) == text);
  file.release(file.bytes().subspan(10));
  CHECK(text_of(file) == text);
  CHECK(MappedFile(scratch.write("empty", "")).bytes().empty());
  CHECK(contains(error_of([&] { MappedFile folder(scratch.path()); }), "expected a regular file"));
}

TEST_CASE("whole texts are read, and an absent file is nothing or an error that names it") {
  const TempFolder scratch;
  const std::string text("with\0zero", 9);
  const std::string path = scratch.write("x", text);
  CHECK(read_text_file(path) == text);
  CHECK(read_text_file_if_exists(path) == text);
  CHECK_FALSE(read_text_file_if_exists(scratch / "absent").has_value());
  CHECK(contains(error_of([&] { read_text_file(scratch / "absent"); }),
                 "absent failed: No such file or directory"));
  CHECK(contains(error_of([&] { OutputFile file(scratch / "no/folder"); }), "opening for writing"));
  CHECK(contains(error_of([&] { sync_folder(scratch / "absent"); }), "opening of folder"));
  CHECK_NOTHROW(sync_folder(scratch.path()));
}

TEST_CASE("a descriptor has one owner") {
  const TempFolder scratch;
  const std::string path = scratch.write("x", "1");
  Descriptor first(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const int fd = first.get();
  Descriptor second = std::move(first);
  CHECK_FALSE(first);
  CHECK(second.get() == fd);
  second.reset();
  CHECK_FALSE(second);
  CHECK(::fcntl(fd, F_GETFD) == -1);  // closed
}
