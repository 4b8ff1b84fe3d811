// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/weight_files.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "posttrain/io/safetensors_writer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::io::Dtype;
using posttrain::io::TensorInfo;
using posttrain::io::WeightFiles;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

void write_bytes(const std::filesystem::path& path, const std::vector<std::string>& names) {
  std::vector<TensorInfo> entries;
  for (const std::string& name : names) entries.push_back({name, Dtype::kU8, {2}});
  posttrain::io::write_safetensors(path, entries,
                                   [](const TensorInfo&) { return std::vector<std::byte>(2); });
}

}  // namespace

TEST_CASE("the weights of a folder are one file or what the index names") {
  const TempFolder scratch;
  write_bytes(scratch / "one.safetensors", {"a", "extra"});
  write_bytes(scratch / "two.safetensors", {"b"});
  scratch.write("model.safetensors.index.json",
                R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  {
    const WeightFiles weights(scratch.path());
    CHECK(weights.entries().size() == 3);  // a tensor that the index forgets is not overlooked
    CHECK(contains(weights.find("b")->file->path(), "two.safetensors"));
    CHECK(weights.find("c") == nullptr);
  }
  write_bytes(scratch / "model.safetensors", {"c"});
  CHECK(WeightFiles(scratch.path()).entries().size() == 1);
}

TEST_CASE("what is no regular file is refused, not waited for") {
  const TempFolder scratch;
  const auto error = [&] { return error_of([&] { WeightFiles weights(scratch.path()); }); };
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    const std::string pipe = (scratch / name).string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(contains(error(), std::string(name) + ", found a pipe"));
    std::filesystem::remove(pipe);
    std::filesystem::create_symlink(name, scratch / name);  // to itself
    CHECK(contains(error(), std::string("found ") + name));
    std::filesystem::remove(scratch / name);
  }
  scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": "loop.safetensors"}})");
  std::filesystem::create_symlink("loop.safetensors", scratch / "loop.safetensors");
  CHECK(contains(error(), "names loop.safetensors, which is no file that opens ("));
}

TEST_CASE("a folder without usable weights is one clear error") {
  const TempFolder scratch;
  const auto error = [&] { return error_of([&] { WeightFiles weights(scratch.path()); }); };
  CHECK(contains(error(), "expected model.safetensors or model.safetensors.index.json"));
  scratch.write("pytorch_model.bin", "");
  CHECK(contains(error(), "hint: convert it"));
  const auto index = [&](const char* text) {
    scratch.write("model.safetensors.index.json", text);
    return error();
  };
  CHECK(contains(index("{"), "index.json: expected JSON"));
  CHECK(contains(index("{}"), "'weight_map'"));
  const std::string deep =
      R"({"weight_map": {"a": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}}";
  CHECK(contains(index(deep.c_str()), "index.json: expected JSON that nests at most 500 deep"));
  CHECK(contains(index(R"({"weight_map": {"a": "../x"}})"), "expected a file name within"));
  CHECK(contains(index(R"({"weight_map": {"a": 1}})"), "expected a file name within"));
  CHECK(contains(index(R"({"weight_map": {"a": ""}})"), "expected a file name within"));
  CHECK(contains(index(R"({"weight_map": {"a": "one.safetensors"}})"), "which is not there"));
  write_bytes(scratch / "one.safetensors", {"b"});
  CHECK(contains(index(R"({"weight_map": {"a": "one.safetensors"}})"),
                 "one.safetensors: expected a tensor 'a'"));
  write_bytes(scratch / "two.safetensors", {"b"});
  CHECK(contains(index(R"({"weight_map": {"b": "one.safetensors", "c": "two.safetensors"}})"),
                 "tensor 'b' lies in"));
  CHECK(contains(error_of([&] { WeightFiles weights(scratch / "nowhere"); }),
                 "nowhere: no such folder"));
}
