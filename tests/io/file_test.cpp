// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/file.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
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

TEST_CASE("pipes, sockets, devices and folders are refused on opening, without waiting") {
  const TempFolder scratch;
  const std::string pipe = (scratch / "pipe").string(), socket = (scratch / "socket").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);  // no one writes
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(socket.size() < sizeof address.sun_path);
  std::copy(socket.begin(), socket.end(), address.sun_path);
  const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  for (const auto& [path, found] : {std::pair<std::string, std::string>{pipe, "found a pipe"},
                                    {socket, "found a socket"},
                                    {"/dev/zero", "found a device"},
                                    {scratch.path().string(), "found a folder"}}) {
    INFO(path);
    CHECK(contains(error_of([&] { open_regular(path); }), found));
    CHECK(contains(error_of([&] { MappedFile file(path); }), found));
    CHECK(contains(error_of([&] { read_text_file(path); }), found));
    CHECK(contains(error_of([&] { read_text_file_if_exists(path); }), found));
  }
  std::filesystem::create_symlink("loop", scratch / "loop");
  CHECK(contains(error_of([&] { read_text_file_if_exists(scratch / "loop"); }),
                 "Too many levels of symbolic links"));
}

TEST_CASE("a text has a largest size") {
  const TempFolder scratch;
  const std::string path = scratch.write("x", std::string(1000, 'x'));
  CHECK(read_text_file(path, 1000).size() == 1000);
  CHECK(contains(error_of([&] { read_text_file(path, 999); }),
                 "x: expected a file of at most 999 bytes, found 1000; hint:"));
  std::filesystem::resize_file(path, kLargestTextFile + 1);  // takes no room on the disk
  CHECK(contains(error_of([&] { read_text_file(path); }), "at most 1073741824 bytes"));
  CHECK(contains(error_of([&] { read_text_file("/proc/self/maps", 100); }), " or more; hint:"));
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
