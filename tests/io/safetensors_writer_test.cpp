// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/safetensors_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::io::Dtype;
using posttrain::io::plan_shards;
using posttrain::io::SafetensorsFile;
using posttrain::io::SafetensorsWriter;
using posttrain::io::TensorInfo;
using posttrain::io::write_safetensors;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

TEST_CASE("the order in which tensors are declared and written does not show in the file") {
  const TempFolder scratch;
  std::vector<TensorInfo> entries{
      {"b", Dtype::kF32, {2}}, {"a", Dtype::kBF16, {3}}, {"c", Dtype::kF32, {}}};
  const auto data = [](const TensorInfo& info) {
    return std::vector<std::byte>(info.name == "a"   ? 6
                                  : info.name == "b" ? 8
                                                     : 4,
                                  static_cast<std::byte>(info.name[0]));
  };
  write_safetensors(scratch / "x", entries, data, {{"step", "3"}});
  std::ranges::reverse(entries);
  write_safetensors(scratch / "y", entries, data, {{"step", "3"}});
  CHECK(slurp(scratch / "x") == slurp(scratch / "y"));
  const SafetensorsFile file(scratch / "x");
  CHECK(file.metadata().at("step") == "3");
  CHECK(file.tensors()[0].name == "b");  // float32 by name, then the narrower type
  CHECK(file.tensors()[2].name == "a");
  CHECK(static_cast<char>(file.at("a").bytes[5]) == 'a');
}

TEST_CASE("the writer refuses what was not declared, came twice, never came or has a wrong size") {
  const TempFolder scratch;
  const std::vector<float> two{1, 2};
  SafetensorsWriter writer(scratch / "x", {{"a", Dtype::kF32, {2}}, {"b", Dtype::kF32, {2}}});
  CHECK(contains(error_of([&] { writer.write("c", bytes_of(two)); }), "'c' was not declared"));
  CHECK(contains(error_of([&] { writer.write("a", bytes_of(two).first(4)); }),
                 "expected 8 bytes for tensor 'a' (F32 [2]), got 4"));
  writer.write("a", bytes_of(two));
  CHECK(contains(error_of([&] { writer.write("a", bytes_of(two)); }), "'a' came twice"));
  CHECK(contains(error_of([&] { writer.finish(); }), "'b' never came"));
  CHECK(contains(
      error_of([&] {
        SafetensorsWriter twice(scratch / "y", {{"a", Dtype::kF32, {2}}, {"a", Dtype::kF32, {1}}});
      }),
      "'a' is declared twice"));
  CHECK(contains(error_of([&] {
                   SafetensorsWriter odd(scratch / "y", {{"a", Dtype::kF4, {3}}});
                 }),
                 "cannot have type F4 and shape [3]"));
}

TEST_CASE("a tensor may come in parts, none too many and none too few") {
  const TempFolder scratch;
  const std::vector<float> values{1, 2, 3, 4};
  const std::vector<TensorInfo> entries{
      {"a", Dtype::kF32, {3}}, {"b", Dtype::kF32, {1}}, {"none", Dtype::kF32, {0, 2}}};
  const std::span<const std::byte> bytes = bytes_of(values);
  SafetensorsWriter whole(scratch / "x", entries);
  whole.write("a", bytes.first(12));
  whole.write("b", bytes.subspan(12));
  whole.write("none", {});
  whole.finish();
  SafetensorsWriter parts(scratch / "y", entries);
  parts.write_part("a", bytes.first(8));
  parts.write_part("b", bytes.subspan(12));
  CHECK(contains(error_of([&] { parts.finish(); }), "expected 12 bytes for tensor 'a', got 8"));
  CHECK(contains(error_of([&] { parts.write_part("a", bytes.first(8)); }),
                 "expected 4 more bytes for tensor 'a', got 8"));
  CHECK(contains(error_of([&] { parts.write("a", bytes.first(12)); }), "'a' came twice"));
  parts.write_part("a", bytes.subspan(8, 4));
  CHECK(contains(error_of([&] { parts.write_part("a", {}); }), "'a' came twice"));
  CHECK(contains(error_of([&] { parts.finish(); }), "'none' never came"));
  parts.write_part("none", {});
  parts.finish();
  CHECK(slurp(scratch / "x") == slurp(scratch / "y"));
}

TEST_CASE("shards hold at most the stated size, in order, under the names of transformers") {
  const std::vector<TensorInfo> entries{{"a", Dtype::kF32, {10}},
                                        {"b", Dtype::kF32, {10}},
                                        {"huge", Dtype::kF32, {100}},
                                        {"c", Dtype::kF32, {5}}};
  const auto plan = plan_shards(entries, 80);
  REQUIRE(plan.shards.size() == 3);
  CHECK(plan.shards[0].file == "model-00001-of-00003.safetensors");
  CHECK(plan.shards[0].entries.size() == 2);
  CHECK(plan.shards[1].entries[0].name == "huge");
  CHECK(plan.total_size == 500);
  const auto index = nlohmann::json::parse(plan.index_json());
  CHECK(index["metadata"]["total_size"] == 500);
  CHECK(index["weight_map"]["c"] == "model-00003-of-00003.safetensors");
  const auto one = plan_shards(entries, 5000);
  REQUIRE(one.shards.size() == 1);
  CHECK(one.shards[0].file == "model.safetensors");
  CHECK(one.index_json().empty());
}

TEST_CASE("shards of no bytes are refused, and no tensors make one empty file") {
  CHECK(contains(error_of([] { plan_shards({}, 0); }), "max_shard_bytes must be positive"));
  const auto plan = plan_shards({}, 10, "adapter_model");
  REQUIRE(plan.shards.size() == 1);
  CHECK(plan.shards[0].file == "adapter_model.safetensors");
  CHECK(plan.shards[0].entries.empty());
}
