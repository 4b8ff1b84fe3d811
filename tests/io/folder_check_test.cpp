// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/folder_check.hpp"

#include <filesystem>

#include "posttrain/io/safetensors.hpp"
#include "posttrain/io/text_reader.hpp"
#include "posttrain/io/weight_files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;
using io::FolderOf;

namespace {

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 2200119864\n";

}  // namespace

TEST_CASE("a folder that is not there, or is a file, is called that", "[io]") {
  const TempFolder scratch;
  const auto error = [](const std::filesystem::path& folder, FolderOf kind = FolderOf::model) {
    return error_of([&] { io::check_folder(folder, kind, "config.json"); });
  };
  CHECK(error(scratch / "nowhere") == (scratch / "nowhere").string() + ": no such folder");
  CHECK(error("./nowhere") == "./nowhere: no such folder");
  CHECK(error("some-org/adapter", FolderOf::adapter) == "some-org/adapter: no such folder");
  const std::string file = scratch.write("file", "");
  CHECK(error(file) == file + ": expected a model's folder, found a file");
  CHECK(error(file, FolderOf::delta) == file + ": expected an OSFT delta's folder, found a file");
  std::filesystem::create_directory(scratch / "empty");
  CHECK(error(scratch / "empty") ==
        (scratch / "empty").string() + ": expected a file config.json, found nothing");
  CHECK(error_of([&] { io::check_folder(scratch / "empty", FolderOf::model); }) == "");
  for (int i = 0; i < 10; ++i) scratch.write(fmt::format("empty/{}.txt", i), "");
  CHECK(error(scratch / "empty") ==
        (scratch / "empty").string() +
            ": expected a file config.json, found 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, 5.txt, "
            "6.txt, 7.txt, … (10 entries)");
  std::filesystem::create_directory_symlink(scratch / "loop", scratch / "loop");
  CHECK(error(scratch / "loop") ==
        (scratch / "loop").string() + ": Too many levels of symbolic links");
}

TEST_CASE("a folder of another kind is named with the policy that opens it", "[io]") {
  const TempFolder scratch;
  const auto make = [&](const char* name, const char* file, const char* text) {
    std::filesystem::create_directory(scratch / name);
    scratch.write(std::string(name) + "/" + file, text);
    return (scratch / name).string();
  };
  const auto error = [](const std::string& folder, FolderOf kind) {
    return error_of([&] { io::check_folder(folder, kind, "config.json"); });
  };
  const std::string adapter =
      make("adapter", "adapter_config.json",
           R"({"peft_type": "LORA", "base_model_name_or_path": "meta/base"})");
  CHECK(error(adapter, FolderOf::model) ==
        adapter +
            ": is an adapter's folder (adapter_config.json), expected a model's (config.json); "
            "hint: open the base 'meta/base' and attach From<Lora>{.folder = \"" +
            adapter + "\"}");
  // A tokenizer beside the adapter changes nothing; the weights of a model do.
  scratch.write("adapter/tokenizer.json", "{}");
  CHECK(contains(error(adapter, FolderOf::model), "is an adapter's folder"));
  CHECK(contains(error_of([&] { io::WeightFiles weights(adapter); }), "is an adapter's folder"));
  scratch.write("adapter/config.json", "{}");
  CHECK(error(adapter, FolderOf::model) == "");
  const std::string prompt =
      make("prompt", "adapter_config.json",
           R"({"peft_type": "PROMPT_TUNING", "base_model_name_or_path": 3})");
  CHECK(contains(error(prompt, FolderOf::model),
                 "hint: open the base and attach From<PromptTuning>{.folder = \"" + prompt));
  CHECK(contains(error(make("broken", "adapter_config.json", "{"), FolderOf::model),
                 "hint: open the base and attach From<Lora>"));
  const std::string delta = make("delta", "osft_delta.json", "{}");
  CHECK(contains(error(delta, FolderOf::model),
                 "delta: is an OSFT delta's folder (osft_delta.json), expected a model's "
                 "(config.json); hint: open the base and attach From<Osft>{.folder = \""));
  CHECK(contains(error(delta, FolderOf::adapter), "expected an adapter's (adapter_config.json)"));
  const std::string model = make("model", "config.json", "{}");
  CHECK(error_of([&] { io::check_folder(model, FolderOf::adapter, "adapter_config.json"); }) ==
        model + ": is a model's folder (config.json), expected an adapter's (adapter_config.json)");
}

TEST_CASE("weights that cannot be read are named with what to do", "[io]") {
  const auto error = [](const TempFolder& folder, FolderOf kind, const char* stem) {
    return error_of([&] { io::raise_no_weights(folder.path(), kind, stem); });
  };
  {
    const TempFolder scratch;
    scratch.write("config.json", "{}");
    CHECK(error(scratch, FolderOf::model, "model") ==
          scratch.path().string() +
              ": expected model.safetensors or model.safetensors.index.json, found config.json");
    scratch.write("model.gguf", "");
    CHECK(
        contains(error(scratch, FolderOf::model, "model"), "found model.gguf; hint: weights are"));
    scratch.write("pytorch_model-00001-of-00002.bin", "");
    CHECK(contains(error(scratch, FolderOf::model, "model"),
                   "found pytorch_model-00001-of-00002.bin; hint: convert it: python3 -c"));
    scratch.write("model-00001-of-00002.safetensors", "");
    scratch.write("model-00002-of-00002.safetensors", "");
    CHECK(error(scratch, FolderOf::model, "model") ==
          scratch.path().string() +
              ": found model-00001-of-00002.safetensors, model-00002-of-00002.safetensors but "
              "neither model.safetensors nor model.safetensors.index.json; hint: is the download "
              "complete? the index belongs to the shards");
  }
  const TempFolder scratch;
  scratch.write("adapter_config.json", "{}");
  scratch.write("adapter_model.bin", "");
  CHECK(contains(error(scratch, FolderOf::adapter, "adapter_model"),
                 "expected adapter_model.safetensors, found adapter_model.bin; hint: convert it: "
                 "python3 -c \"import torch; from safetensors.torch import save_file; w = "
                 "torch.load('" +
                     (scratch / "adapter_model.bin").string()));
}

TEST_CASE("a pointer of Git LFS in the place of a file is called that, whoever reads it", "[io]") {
  const TempFolder scratch;
  const std::string file = scratch.write("model.safetensors", kPointer);
  const std::string expected =
      file + ": is a Git LFS pointer, not the file itself; hint: git lfs pull";
  CHECK(error_of([&] { io::read_text_file(file); }) == expected);
  CHECK(error_of([&] { io::read_text_file_if_exists(file); }) == expected);
  CHECK(error_of([&] { io::SafetensorsFile weights(file); }) == expected);
  CHECK(error_of([&] { io::TextReader reader(file); }) == expected);
  CHECK(error_of([&] { io::WeightFiles weights(scratch.path()); }) == expected);
  const std::string text = scratch.write("about.md", std::string("About ") + kPointer);
  CHECK(error_of([&] { io::read_text_file(text); }) == "");
}

TEST_CASE("a shard that is a link to itself is no crash", "[io]") {
  const TempFolder scratch;
  scratch.write("model.safetensors.index.json",
                R"({"weight_map": {"a": "model-00001-of-00001.safetensors"}})");
  std::filesystem::create_symlink("model-00001-of-00001.safetensors",
                                  scratch / "model-00001-of-00001.safetensors");
  CHECK(
      contains(error_of([&] { io::WeightFiles weights(scratch.path()); }),
               "the index names model-00001-of-00001.safetensors, which is no file that opens (Too "
               "many levels of symbolic links); hint: is the download complete?"));
}
