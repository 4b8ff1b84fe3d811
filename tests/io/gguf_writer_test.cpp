// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/gguf_writer.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::io;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::vector<std::byte> bytes_of(std::size_t count, int value) {
  return std::vector<std::byte>(count, static_cast<std::byte>(value));
}

}  // namespace

TEST_CASE("a GGUF file that was written is read back", "[io]") {
  const TempFolder scratch;
  GgufMetadata metadata;
  metadata.text("general.architecture", "llama");
  metadata.u32("llama.block_count", 4'000'000'000U);
  metadata.f32("llama.scale", 0.1F);
  metadata.boolean("yes", true);
  metadata.i32s("types", std::vector<std::int32_t>{-1, 3});
  metadata.f32s("scores", std::vector<float>{-1.5F, 0.0F});
  metadata.texts("tokens", {"a", "", "ü"});
  CHECK(metadata.has("yes"));
  CHECK_FALSE(metadata.has("no"));
  GgufWriter writer(scratch / "x.gguf", metadata,
                    {{"w", GgufType::kQ4_1, {3, 64}}, {"b", GgufType::kF32, {5}}});
  writer.write("b", bytes_of(20, 2));  // in any order
  writer.write("w", bytes_of(120, 1));
  writer.finish();

  const GgufModel model(scratch / "x.gguf");
  CHECK(model.text("general.architecture") == "llama");
  CHECK(model.integer("llama.block_count") == 4'000'000'000);
  CHECK(model.number("llama.scale") == static_cast<double>(0.1F));
  CHECK(model.boolean("yes"));
  CHECK(model.integers("types") == std::vector<std::int64_t>{-1, 3});
  CHECK(model.numbers("scores") == std::vector<double>{-1.5, 0.0});
  CHECK(model.texts("tokens") == std::vector<std::string_view>{"a", "", "ü"});
  const GgufTensor &w = *model.find("w")->tensor, &b = *model.find("b")->tensor;
  CHECK(w.shape == std::vector<std::int64_t>{3, 64});
  CHECK(std::ranges::equal(w.bytes, bytes_of(120, 1)));
  CHECK(std::ranges::equal(b.bytes, bytes_of(20, 2)));
  CHECK(fs::file_size(scratch / "x.gguf") % 32 == 0);

  // The same again, metadata copied key by key: the same bytes but for the order of keys.
  GgufMetadata copied;
  for (const char* key : {"general.architecture", "llama.block_count", "llama.scale", "yes",
                          "types", "scores", "tokens"}) {
    copied.copy(key, model.metadata().find(key)->second);
  }
  CHECK(copied.bytes() == metadata.bytes());
}

TEST_CASE("what a GGUF writer is not told, or told twice, is an error", "[io]") {
  const TempFolder scratch;
  GgufMetadata metadata;
  metadata.u32("k", 1);
  CHECK(error_of([&] { metadata.text("k", ""); }) == "metadata of a GGUF file: key 'k' came twice");
  const auto error = [&](std::vector<GgufTensorInfo> tensors, auto use) {
    return error_of([&] {
      GgufWriter writer(scratch / "x.gguf", {}, tensors);
      use(writer);
    });
  };
  const auto nothing = [](GgufWriter&) {};
  CHECK_THAT(error({{"a", GgufType::kF32, {1}}, {"a", GgufType::kF32, {1}}}, nothing),
             Catch::Contains("tensor 'a' is declared twice"));
  CHECK_THAT(error({{"a", GgufType::kQ8_0, {64, 33}}}, nothing),
             Catch::Contains("of type Q8_0 expected 1 to 4 dimensions, the last a multiple of 32"));
  CHECK_THAT(error({{"a", GgufType::kF32, {}}}, nothing), Catch::Contains("1 to 4 dimensions"));
  CHECK_THAT(error({{"a", GgufType::kF32, {-1}}}, nothing), Catch::Contains("a dimension of -1"));
  const std::vector<GgufTensorInfo> one{{"a", GgufType::kF32, {1}}};
  CHECK_THAT(error(one, [](GgufWriter& writer) { writer.finish(); }),
             Catch::Contains("tensor 'a' never came"));
  CHECK_THAT(error(one, [](GgufWriter& writer) { writer.write("b", bytes_of(4, 0)); }),
             Catch::Contains("tensor 'b' was not declared"));
  CHECK_THAT(error(one, [](GgufWriter& writer) { writer.write("a", bytes_of(5, 0)); }),
             Catch::Contains("expected 4 bytes for tensor 'a', got 5"));
  CHECK_THAT(error(one,
                   [](GgufWriter& writer) {
                     writer.write("a", bytes_of(4, 0));
                     writer.write("a", bytes_of(4, 0));
                   }),
             Catch::Contains("tensor 'a' came twice"));
}
