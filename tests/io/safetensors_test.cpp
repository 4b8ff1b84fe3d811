// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/safetensors.hpp"

#include <fstream>

#include "posttrain/io/safetensors_writer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/timing.hpp"

using posttrain::io::byte_count;
using posttrain::io::Dtype;
using posttrain::io::SafetensorsFile;
using posttrain::io::SafetensorsWriter;
using posttrain::io::TensorInfo;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::string length_prefix(std::uint64_t size) {
  return std::string(reinterpret_cast<const char*>(&size), 8);
}

/// A file with this header and this many zero bytes of data.
std::string raw_file(const std::string& header, std::size_t data) {
  return length_prefix(header.size()) + header + std::string(data, '\0');
}

std::string open_error(const std::string& content) {
  const TempFolder scratch;
  const std::string path = scratch.write("x.safetensors", content);
  const std::string error = error_of([&] { SafetensorsFile file(path); });
  CHECK((error.empty() || contains(error, "x.safetensors")));
  CHECK_FALSE(contains(error, "\n"));
  return error;
}

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

/// Bytes of mapped files that this process holds in memory.
std::size_t mapped_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

}  // namespace

TEST_CASE("what was written is read back, in the layout of the reference") {
  const TempFolder scratch;
  const auto path = scratch / "x.safetensors";
  const std::vector<float> a{1, 2, 3, 4, 5, 6};
  const std::vector<float> b{7};
  const std::vector<std::uint8_t> flags{1, 0, 1};
  SafetensorsWriter writer(path, {{"flags", Dtype::kBool, {3}},
                                  {"b", Dtype::kF32, {}},
                                  {"a \"quoted\" ü", Dtype::kF32, {2, 3}},
                                  {"empty", Dtype::kBF16, {0, 4}}});
  writer.write("b", bytes_of(b));
  writer.write("empty", {});
  writer.write("a \"quoted\" ü", bytes_of(a));
  writer.write("flags", std::as_bytes(std::span(flags)));
  writer.finish();

  const SafetensorsFile file(path);
  REQUIRE(file.tensors().size() == 4);
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.tensors()[0].name == "a \"quoted\" ü");  // wide types first, then by name
  CHECK(file.tensors()[3].name == "flags");
  const auto& tensor = file.at("a \"quoted\" ü");
  CHECK(tensor.dtype == Dtype::kF32);
  CHECK(tensor.shape == std::vector<std::int64_t>{2, 3});
  CHECK(std::memcmp(tensor.bytes.data(), a.data(), 24) == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % 8 == 0);
  CHECK(file.at("b").shape.empty());
  CHECK(file.at("empty").bytes.empty());
  CHECK(file.find("c") == nullptr);
  CHECK(contains(error_of([&] { file.at("c"); }), "x.safetensors: expected a tensor 'c'"));
}

TEST_CASE("a tensor that was copied out leaves the process's memory and can be read again") {
  constexpr std::size_t kCount = std::size_t{8} << 20, kBytes = 4 * kCount;
  const TempFolder scratch;
  const std::vector<float> values(kCount, 1.5F);
  SafetensorsWriter writer(scratch / "x.safetensors", {{"x", Dtype::kF32, {kCount}}});
  writer.write("x", bytes_of(values));
  writer.finish();

  const SafetensorsFile file(scratch / "x.safetensors");
  const auto& tensor = file.at("x");
  const auto same = [&] { return std::memcmp(tensor.bytes.data(), values.data(), kBytes) == 0; };
  CHECK(same());
  const std::size_t before = mapped_memory();
  file.release(tensor);
  if (before > 0) CHECK(mapped_memory() + kBytes / 2 < before);
  CHECK(same());
}

TEST_CASE("a broken file is one clear error") {
  const std::string entry = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  CHECK(open_error(raw_file("{" + entry + "}", 8)).empty());
  CHECK(open_error(raw_file("{" + entry + "}   ", 8)).empty());
  CHECK(open_error(raw_file("{}", 0)).empty());

  CHECK(contains(open_error(""), "at least 8 bytes, found 0"));
  CHECK(contains(open_error("1234567"), "at least 8 bytes"));
  CHECK(contains(open_error(length_prefix(UINT64_MAX) + "{}"), "header's length is given as"));
  CHECK(contains(open_error(length_prefix(3) + "{}"), "hint: is this a safetensors file"));
  CHECK(contains(open_error(raw_file("[1]", 0)), "expected a JSON object as header"));
  CHECK(contains(open_error(raw_file(" {}", 0)), "expected a JSON object as header"));
  CHECK(contains(open_error(raw_file("{\"a\":", 0)), "expected JSON"));
  CHECK(contains(open_error(raw_file("{" + entry + "," + entry + "}", 8)), "'a' occurs twice"));
  CHECK(contains(open_error(raw_file(R"({"a":{"dtype":"F32","dtype":"F32"}})", 8)), "twice"));
  CHECK(contains(open_error(raw_file("{" + entry + "}", 7)), "[0, 8) of 7"));
  CHECK(contains(open_error(raw_file("{" + entry + "}", 9)), "end at byte 8"));
  CHECK(contains(open_error(raw_file(R"({"a":1})", 0)), "'a' has no 'dtype'"));
  CHECK(
      contains(open_error(raw_file(R"({"a":{"dtype":"F99","shape":[],"data_offsets":[0,4]}})", 4)),
               "unknown dtype \"F99\""));
  CHECK(
      contains(open_error(raw_file(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8)),
               "'a' of type F32 and shape [3] does not fit its 8 bytes"));
  CHECK(contains(
      open_error(raw_file(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8)),
      "expected 'shape' to be a list of whole numbers"));
  CHECK(contains(open_error(raw_file(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],)"
                                     R"("data_offsets":[0,0]}})",
                                     0)),
                 "does not fit its 0 bytes"));
  CHECK(
      contains(open_error(raw_file(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[4,0]}})", 8)),
               "[4, 0) of 8"));
  CHECK(contains(open_error(raw_file(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                                     3)),
                 "tensors overlap or leave a hole"));
  CHECK(
      contains(open_error(raw_file(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2)),
               "begins at byte 1, expected 0"));
  CHECK(contains(open_error(raw_file(R"({"__metadata__":{"step":1}})", 0)), "to be a string"));
  CHECK(contains(open_error(raw_file("{\"\xff\":1}", 0)), "expected JSON"));
  CHECK(contains(open_error(raw_file("{\"a\":" + std::string(100000, '['), 0)), "expected JSON"));
  CHECK(contains(error_of([] { SafetensorsFile file("/no/such/file"); }),
                 "/no/such/file failed: No such file"));
  CHECK(contains(error_of([] { SafetensorsFile file("/tmp"); }), "expected a regular file"));
}

TEST_CASE("a file cut at any byte never crashes and never opens") {
  const TempFolder scratch;
  const std::vector<float> two{1, 2};
  SafetensorsWriter writer(scratch / "x", {{"a", Dtype::kF32, {2}}});
  writer.write("a", bytes_of(two));
  writer.finish();
  const std::string whole = slurp(scratch / "x");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE_FALSE(open_error(whole.substr(0, size)).empty());
  }
}

TEST_CASE("sizes of packed and of overflowing tensors") {
  CHECK(byte_count(Dtype::kF4, std::vector<std::int64_t>{2, 3}) == 3U);
  CHECK_FALSE(byte_count(Dtype::kF6E2M3, std::vector<std::int64_t>{3}).has_value());
  CHECK(byte_count(Dtype::kC64, std::vector<std::int64_t>{}) == 8U);
  CHECK_FALSE(byte_count(Dtype::kU8, std::vector<std::int64_t>{INT64_MAX, 3}).has_value());
}

TEST_CASE("a header that nests too deeply is one line") {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK(contains(
      open_error(raw_file(R"({"a":{"shape":[2],"data_offsets":[0,8],"dtype":)" + deep + "}}", 8)),
      ": header: expected JSON that nests at most 500 deep"));
}

TEST_CASE("a header of very many tensors is read in linear time") {
  const TempFolder scratch;
  const auto file_of = [&](std::size_t n) {
    std::string header = "{";
    for (std::size_t i = 0; i < n; ++i) {
      header += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) +
                R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
    }
    return scratch.write(std::to_string(n), raw_file(header + "}", 0));
  };
  CHECK(posttrain::test::is_linear(1000, file_of, [](const std::string& path) {
    CHECK(SafetensorsFile(path).tensors().size() % 1000 == 0);
  }));
}
