// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/save_pretrained.hpp"

#include "posttrain/hub/checkpoint.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/folders.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;
using posttrain::io::check_save_pretrained;
using posttrain::io::Checkpoint;
using posttrain::io::Dtype;
using posttrain::io::is_checkpoint_file;
using posttrain::io::PretrainedContent;
using posttrain::io::save_pretrained;
using posttrain::io::TensorInfo;

TEST_CASE("a saved folder comes back, whole or in shards, with its other files") {
  const TempFolder scratch;
  std::filesystem::create_directory(scratch / "base");
  scratch.write("base/tokenizer.json", "{\"t\":1}");
  scratch.write("base/chat_template.jinja", "{{ x }}");
  scratch.write("base/notes.txt", "not copied");
  for (const std::uint64_t max_shard_bytes : {std::uint64_t{5'000'000'000}, std::uint64_t{24}}) {
    const PretrainedContent content{.config_json = "{\"model_type\": \"llama\"}",
                                    .generation_config_json = "{\"eos_token_id\": [1, 2]}",
                                    .tokenizer_from = scratch / "base",
                                    .texts = {{"chat_template.jinja", "{{ y }}"}},
                                    .max_shard_bytes = max_shard_bytes};
    save_folder(scratch / "out", content, some_tensors());  // the second time replaces the first
    Checkpoint folder(scratch / "out");
    CHECK(folder.config_text() == content.config_json);
    CHECK(folder.read_text("tokenizer.json") == "{\"t\":1}");
    CHECK(folder.read_text("chat_template.jinja") == "{{ y }}");
    CHECK(folder.read_text("generation_config.json") == content.generation_config_json);
    CHECK_FALSE(folder.read_text("notes.txt").has_value());
    CHECK(folder.read_text("model.safetensors.index.json").has_value() == (max_shard_bytes == 24));
    CHECK(std::filesystem::exists(scratch / "out/model-00002-of-00002.safetensors") ==
          (max_shard_bytes == 24));
    CHECK(folder.names() == std::vector<std::string>{"a.weight", "b.weight", "c.weight"});
    for (const auto& [name, tensor] : some_tensors()) {
      CHECK(same_bits(folder.load(name, tensor.sizes().vec()), tensor));
    }
    folder.check_all_used();
  }
}

TEST_CASE("a folder saved from a device is that of the host, and each tensor is copied once",
          "[device]") {
  const TempFolder scratch;
  const PretrainedContent content{.config_json = "{}"};
  std::vector<TensorInfo> infos;
  NamedTensors there;
  for (const auto& [name, tensor] : some_tensors()) {
    // Converted where it lies.
    infos.push_back({name, Dtype::kBF16, tensor.sizes().vec()});
    there.emplace_back(name, tensor.to(test_device()));
  }
  const auto save = [&](const char* folder, const NamedTensors& tensors) {
    save_pretrained(scratch / folder, content, infos, [&](const TensorInfo& info) {
      for (const auto& [name, tensor] : tensors) {
        if (name == info.name) return tensor;
      }
      return posttrain::Tensor();
    });
    return slurp(scratch / folder / "model.safetensors");
  };
  const std::string expected = save("host", some_tensors());
  const auto before = posttrain::transfer_counts();
  CHECK(save("device", there) == expected);
  CHECK(posttrain::transfer_counts().reads - before.reads == (test_device().is_cpu() ? 0 : 3));
}

TEST_CASE("what a model's folder only links to is not copied, but the hub cache's blobs are") {
  const TempFolder scratch;
  scratch.write("secret", "key");
  std::filesystem::create_directories(scratch / "m");
  scratch.write("m/tokenizer.json", "{}");
  std::filesystem::create_symlink(scratch / "secret", scratch / "m/vocab.txt");
  const auto save = [&](const char* from) {
    const PretrainedContent content{.config_json = "{}", .tokenizer_from = scratch / from};
    const std::string before = error_of([&] { check_save_pretrained(scratch / "out", content); });
    const std::string error =
        error_of([&] { save_folder(scratch / "out", content, some_tensors()); });
    CHECK(before == error);  // told before there is anything to write
    return error;
  };
  CHECK(contains(save("m"), "m/vocab.txt: a link out of the model's folder, to "));
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  std::filesystem::remove(scratch / "m/vocab.txt");
  std::filesystem::create_directories(scratch / "private");
  std::filesystem::create_symlink(scratch / "private", scratch / "m/additional_chat_templates");
  CHECK(contains(save("m"), "m/additional_chat_templates: a link out of the model's folder"));
  std::filesystem::remove(scratch / "m/additional_chat_templates");
  std::filesystem::create_directories(scratch / "m/additional_chat_templates");
  scratch.write("m/additional_chat_templates/rag.jinja", "{{ x }}");
  scratch.write("m/additional_chat_templates/notes.txt", "not copied");
  CHECK(save("m").empty());
  CHECK(slurp(scratch / "out/additional_chat_templates/rag.jinja") == "{{ x }}");
  CHECK_FALSE(std::filesystem::exists(scratch / "out/additional_chat_templates/notes.txt"));
  // models--x/snapshots/REV/tokenizer.json -> ../../blobs/HASH
  std::filesystem::create_directories(scratch / "cache/blobs");
  std::filesystem::create_directories(scratch / "cache/snapshots/1");
  scratch.write("cache/blobs/abc", "{\"t\": 2}");
  std::filesystem::create_symlink("../../blobs/abc", scratch / "cache/snapshots/1/tokenizer.json");
  CHECK(save("cache/snapshots/1").empty());
  CHECK(slurp(scratch / "out/tokenizer.json") == "{\"t\": 2}");
}

TEST_CASE("a folder can be saved over the one its tensors come from") {
  const TempFolder scratch;
  save_folder(scratch / "out", {.config_json = "{}"}, some_tensors());
  Checkpoint folder(scratch / "out");
  std::vector<TensorInfo> infos;
  for (const std::string& name : folder.names()) {
    infos.push_back({name, Dtype::kF32, folder.shape(name)});  // converted on the way
  }
  save_pretrained(scratch / "out", {.config_json = "{\"new\": 1}"}, infos,
                  [&](const TensorInfo& info) { return folder.load(info.name); });
  Checkpoint again(scratch / "out");
  CHECK(again.config_text() == "{\"new\": 1}");
  CHECK(again.dtype("c.weight") == Dtype::kF32);
  CHECK(same_bits(again.load("a.weight"), folder.load("a.weight")));
}

TEST_CASE("saving refuses a folder with other files and leaves all as it was when it fails") {
  const TempFolder scratch;
  save_folder(scratch / "out", {.config_json = "{}"}, some_tensors());
  const auto failing = [&](const TensorInfo&) { return at::zeros({7}); };
  CHECK(contains(error_of([&] {
                   save_pretrained(scratch / "out", {.config_json = "{\"new\": 1}"},
                                   {{"a", Dtype::kF32, {3}}}, failing);
                 }),
                 "tensor 'a': expected shape [3] to write, got [7]"));
  CHECK(slurp(scratch / "out/config.json") == "{}");
  scratch.write("out/thesis.tex", "years of work");
  CHECK(contains(error_of([&] { save_folder(scratch / "out", {.config_json = "{}"}, {}); }),
                 "'thesis.tex'"));
}

TEST_CASE("the files of a checkpoint are known by name; others by the caller's leave") {
  CHECK(is_checkpoint_file("model-00001-of-00002.safetensors"));
  CHECK(is_checkpoint_file("model.safetensors.index.json"));
  CHECK(is_checkpoint_file("chat_template.jinja"));
  CHECK_FALSE(is_checkpoint_file("adapter_model.safetensors"));
  CHECK_FALSE(is_checkpoint_file("optimizer.pt"));
  const TempFolder scratch;
  save_folder(scratch / "out", {.config_json = "{}"}, some_tensors());
  scratch.write("out/state.bin", "ours");
  save_folder(scratch / "out",
              {.config_json = "{}",
               .replaceable = [](std::string_view name) { return name == "state.bin"; }},
              some_tensors());
  CHECK_FALSE(std::filesystem::exists(scratch / "out/state.bin"));
}
