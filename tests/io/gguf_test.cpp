// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/gguf.hpp"

#include <cmath>
#include <limits>

#include "posttrain/io/gguf_writer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/timing.hpp"

using namespace posttrain::io;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string text(std::string_view value) {
  return raw<std::uint64_t>(value.size()) + std::string(value);
}

/// A file of this version with this many tensors and keys, and what follows.
std::string file_of(std::uint64_t tensors, std::uint64_t keys, const std::string& rest,
                    std::uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(tensors) + raw(keys) + rest;
}

std::string key(std::string_view name, GgufValueType type, const std::string& value) {
  return text(name) + raw(type) + value;
}

std::string tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                   std::uint32_t type, std::uint64_t offset) {
  std::string all = text(name) + raw(static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint64_t size : dimensions) all += raw(size);
  return all + raw(type) + raw(offset);
}

/// Fills the head up to the alignment and adds so many bytes of data.
std::string with_data(std::string head, std::size_t bytes, std::size_t alignment = 32) {
  head.resize((head.size() + alignment - 1) / alignment * alignment);
  return head + std::string(bytes, '\1');
}

std::string open_error(const std::string& content) {
  const TempFolder scratch;
  const std::string path = scratch.write("x.gguf", content);
  const std::string error = error_of([&] { GgufModel model(path); });
  CHECK((error.empty() || contains(error, "x.gguf")));
  CHECK_FALSE(contains(error, "\n"));
  CHECK(error.size() <= 1500);
  return error;
}

}  // namespace

TEST_CASE("metadata and tensors of a GGUF file", "[io]") {
  const TempFolder scratch;
  const std::string path = scratch.write(
      "x.gguf", with_data(file_of(2, 9,
                                  key("n.u8", GgufValueType::kU8, raw<std::uint8_t>(200)) +
                                      key("n.i64", GgufValueType::kI64, raw<std::int64_t>(-5)) +
                                      key("n.u64", GgufValueType::kU64, raw(UINT64_MAX)) +
                                      key("n.f32", GgufValueType::kF32, raw(0.5F)) +
                                      key("n.inf", GgufValueType::kF64,
                                          raw(std::numeric_limits<double>::infinity())) +
                                      key("n.bool", GgufValueType::kBool, raw<std::uint8_t>(1)) +
                                      key("n.text", GgufValueType::kText, text("süß")) +
                                      key("n.texts", GgufValueType::kArray,
                                          raw(GgufValueType::kText) + raw<std::uint64_t>(3) +
                                              text("a") + text("") + text("\xff")) +
                                      key("n.i8s", GgufValueType::kArray,
                                          raw(GgufValueType::kI8) + raw<std::uint64_t>(2) +
                                              raw<std::int8_t>(-1) + raw<std::int8_t>(7)) +
                                      tensor("w", {32, 2}, 8, 0) + tensor("v", {3}, 0, 96)),
                          96 + 12));
  const GgufModel model(path);
  CHECK(model.path() == path);
  CHECK(model.integer("n.u8") == 200);
  CHECK(model.integer("n.i64") == -5);
  CHECK(model.number("n.f32") == 0.5);
  CHECK(model.number("n.u8") == 200.0);
  CHECK(model.boolean("n.bool"));
  CHECK(model.text("n.text") == "süß");
  CHECK(model.texts("n.texts") == std::vector<std::string_view>{"a", "", "\xff"});
  CHECK(model.integers("n.i8s") == std::vector<std::int64_t>{-1, 7});
  CHECK(model.numbers("n.i8s") == std::vector<double>{-1, 7});
  CHECK(model.integer("none", 3) == 3);
  CHECK(model.text("none", "other") == "other");
  CHECK_FALSE(model.has("none"));

  // Another kind than asked for is named with what stands there.
  const auto error = [&](auto read) { return error_of([&] { read(); }); };
  CHECK(error([&] { model.integer("none"); }) == path + ": missing key 'none', a whole number");
  CHECK(error([&] { model.integer("n.u64"); }) ==
        path + ": key 'n.u64': expected a whole number, got 18446744073709551615");
  CHECK(error([&] { model.integer("n.f32", 3); }) ==
        path + ": key 'n.f32': expected a whole number, got 0.5");
  CHECK(error([&] { model.number("n.inf"); }) ==
        path + ": key 'n.inf': expected a finite number, got inf");
  CHECK(error([&] { model.boolean("n.u8"); }) ==
        path + ": key 'n.u8': expected true or false, got 200");
  CHECK(error([&] { model.text("n.i8s"); }) ==
        path + ": key 'n.i8s': expected a text in UTF-8, got an array of 2 int8");
  CHECK(error([&] { model.integers("n.texts"); }) ==
        path + ": key 'n.texts': expected an array of whole numbers, got an array of 3 string");
  CHECK(error([&] { model.texts("n.text"); }) ==
        path + ": key 'n.text': expected an array of texts, got \"süß\"");

  REQUIRE(model.tensors().size() == 2);
  const GgufTensor& w = *model.find("w")->tensor;
  CHECK(w.type == GgufType::kQ8_0);
  CHECK(w.shape == std::vector<std::int64_t>{2, 32});
  CHECK(w.bytes.size() == 68);
  const GgufTensor& v = *model.find("v")->tensor;
  CHECK(v.shape == std::vector<std::int64_t>{3});
  CHECK(v.bytes.data() - w.bytes.data() == 96);
  CHECK(model.find("u") == nullptr);
}

TEST_CASE("a GGUF file of another alignment, and of version 2", "[io]") {
  const TempFolder scratch;
  const std::string head = key("general.alignment", GgufValueType::kU32, raw<std::uint32_t>(128)) +
                           tensor("a", {1}, 0, 0) + tensor("b", {1}, 0, 128);
  const GgufModel model(scratch.write("x.gguf", with_data(file_of(2, 1, head, 2), 132, 128)));
  CHECK(model.find("b")->tensor->bytes.data() - model.find("a")->tensor->bytes.data() == 128);
  CHECK(model.find("b")->file->version() == 2);
}

TEST_CASE("a broken GGUF file is one clear error", "[io][C23]") {
  CHECK(open_error(file_of(0, 0, "")) == "");
  CHECK(contains(open_error(""),
                 "expected a GGUF file, which begins with \"GGUF\" and has at least "
                 "24 bytes, found 0 bytes"));
  CHECK(contains(open_error(std::string(40, 'x')), "found 40 bytes of another kind"));
  CHECK(contains(open_error("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
                 "is a Git LFS pointer"));
  CHECK(contains(open_error(file_of(0, 0, "", 1)), "expected version 2 or 3 of GGUF, found 1"));
  CHECK(contains(open_error(file_of(0, 0, "", 0x03000000)), "big-endian"));

  // Counts and lengths that no file has room for.
  const std::uint64_t huge = std::uint64_t{1} << 60U;
  CHECK(contains(open_error(file_of(huge, 0, "")), "1152921504606846976 tensors do not fit the 0"));
  CHECK(contains(open_error(file_of(0, huge, "")), "1152921504606846976 keys do not fit the 0"));
  CHECK(contains(open_error(file_of(0, 1, raw(huge) + std::string(20, 'k'))),
                 "a key at byte 32 takes 1152921504606846976 bytes, and the file has 20 more"));
  CHECK(contains(open_error(file_of(0, 1, key("k", GgufValueType::kText, raw(huge)))),
                 "a text at byte 45 takes 1152921504606846976 bytes"));
  for (const auto type : {GgufValueType::kU8, GgufValueType::kF64, GgufValueType::kText}) {
    const std::string array = raw(type) + raw(huge) + std::string(16, '\0');
    CHECK(contains(open_error(file_of(0, 1, key("k", GgufValueType::kArray, array))),
                   "key 'k': an array of 1152921504606846976 values does not fit the 16 bytes"));
  }
  CHECK(contains(
      open_error(file_of(0, 1,
                         key("k", GgufValueType::kArray,
                             raw(GgufValueType::kText) + raw<std::uint64_t>(1) + raw(huge)))),
      "a text at byte 57 takes"));
  CHECK(contains(open_error(file_of(0, 1,
                                    key("k", GgufValueType::kArray,
                                        raw(GgufValueType::kArray) + raw<std::uint64_t>(1) +
                                            std::string(12, '\0')))),
                 "expected an array of values, got one of arrays"));
  CHECK(contains(open_error(file_of(0, 1, key("k", static_cast<GgufValueType>(13), text("")))),
                 "key 'k': expected a type from 0 to 12, got 13"));
  const std::string one = key("k", GgufValueType::kU32, raw<std::uint32_t>(1));
  CHECK(contains(open_error(file_of(0, 2, one + one)), "key 'k' occurs twice"));
  CHECK(contains(open_error(file_of(0, 1, key("", GgufValueType::kU32, raw(1)))),
                 "expected a key before byte 32 to be UTF-8 and not empty"));
  CHECK(contains(open_error(file_of(0, 1, key("\xff", GgufValueType::kU32, raw(1)))),
                 "to be UTF-8 and not empty"));

  // Tensors.
  const auto tensors = [](std::uint64_t count, const std::string& list, std::size_t data) {
    return open_error(with_data(file_of(count, 0, list), data));
  };
  CHECK(tensors(1, tensor("a", {4}, 0, 0), 16) == "");
  CHECK(tensors(2, tensor("a", {4}, 0, 0) + tensor("b", {4}, 0, 32), 48) == "");
  CHECK(contains(tensors(1, tensor("a", {4}, 0, 0), 15), "hint: is the file complete?"));
  CHECK(contains(tensors(2, tensor("a", {4}, 0, 0) + tensor("a", {4}, 0, 32), 48),
                 "tensor 'a' occurs twice"));
  CHECK(
      contains(tensors(2, tensor("a", {4}, 0, 0) + tensor("b", {4}, 0, 16), 48),
               "tensor 'b' begins at byte 16 of the data, expected 32: tensors overlap or leave a "
               "hole"));
  CHECK(contains(tensors(1, tensor("a", {4}, 0, 64), 96), "begins at byte 64"));
  CHECK(contains(tensors(1, tensor("a", {}, 0, 0), 16), "expected 1 to 4 dimensions, got 0"));
  CHECK(contains(tensors(1, tensor("a", {1, 1, 1, 1, 1}, 0, 0), 16), "got 5"));
  CHECK(contains(tensors(1, tensor("a", {huge, huge}, 0, 0), 16), "expected at most 2^60 values"));
  CHECK(contains(tensors(1, tensor("a", {huge}, 0, 0), 16), "hint: is the file complete?"));
  CHECK(contains(tensors(1, tensor("a", {48}, 2, 0), 64),
                 "expected rows of a multiple of 32 values, as Q4_0 has them, got 48"));
  CHECK(contains(tensors(1, tensor("a", {256}, 16, 0), 64),
                 "tensor 'a' has the type 16, which is not supported; hint: types are F32, F16"));
  for (const std::uint32_t alignment : {0U, 24U, 0x80000000U}) {
    const std::string bad = key("general.alignment", GgufValueType::kU32, raw(alignment));
    CHECK(contains(open_error(with_data(file_of(0, 1, bad), 0)),
                   "key 'general.alignment': expected a power of two up to 2^30"));
  }
}

TEST_CASE("a GGUF file cut anywhere is one clear error", "[io][C23]") {
  const std::string whole = with_data(
      file_of(1, 2,
              key("k", GgufValueType::kText, text("value")) +
                  key("l", GgufValueType::kArray,
                      raw(GgufValueType::kText) + raw<std::uint64_t>(2) + text("a") + text("b")) +
                  tensor("w", {32}, 2, 0)),
      18);
  CHECK(open_error(whole) == "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("the first " << size << " bytes");
    CHECK(open_error(whole.substr(0, size)) != "");
  }
}

TEST_CASE("the parts of a split GGUF file are found by any of them", "[io]") {
  const TempFolder scratch;
  const auto write = [&](const std::string& name, std::uint32_t part, std::uint32_t count,
                         const std::string& tensor, std::int32_t total = 2) {
    GgufMetadata metadata;
    if (part == 0) metadata.text("general.architecture", "llama");
    metadata.u32("split.no", part);
    metadata.u32("split.count", count);
    metadata.u32("split.tensors.count", static_cast<std::uint32_t>(total));
    GgufWriter writer(scratch / name, metadata, {{tensor, GgufType::kF32, {1}}});
    writer.write(tensor, std::vector<std::byte>(4));
    writer.finish();
    return (scratch / name).string();
  };
  const std::string first = write("m-00001-of-00002.gguf", 0, 2, "a");
  const std::string second = write("m-00002-of-00002.gguf", 1, 2, "b");
  for (const std::string& path : {first, second}) {
    const GgufModel model(path);
    CHECK(model.path() == first);
    CHECK(model.text("general.architecture") == "llama");
    CHECK(model.tensors().size() == 2);
    CHECK(model.find("b")->file->path() == second);
  }
  const auto error = [](const std::string& path) {
    return error_of([&] { GgufModel model(path); });
  };
  CHECK_THAT(error(write("other.gguf", 0, 2, "a")),
             Catch::Contains("is part 1 of 2 and should be called '…-00001-of-00002.gguf'"));
  write("m-00002-of-00002.gguf", 1, 2, "a");
  CHECK_THAT(error(first), Catch::Contains("tensor 'a' lies in "));
  write("m-00002-of-00002.gguf", 0, 2, "b");
  CHECK_THAT(error(first), Catch::Contains("expected split.no 1 and split.count 2, as its name"));
  write("m-00002-of-00002.gguf", 1, 2, "b");
  write("m-00001-of-00002.gguf", 0, 2, "a", 3);
  CHECK_THAT(error(first), Catch::Contains("expected 3 tensors in all parts"));
  fs::remove(second);
  CHECK_THAT(error(first), Catch::Contains("m-00002-of-00002.gguf: is not there, part 2 of 2"));
}
