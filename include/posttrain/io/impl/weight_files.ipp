// SPDX-License-Identifier: Apache-2.0
// Definitions of weight_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/weight_files.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE WeightFiles::WeightFiles(const fs::path& folder) {
  if (!fs::is_directory(folder)) recover_folder(folder);
  if (!fs::is_directory(folder)) {
    raise("expected a checkpoint folder at {}, found {}", folder.string(),
          fs::exists(folder) ? "a file" : "nothing");
  }
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code ignored;  // a link to itself, say, is not there
  if (fs::exists(single, ignored)) {
    add(single);
  } else if (fs::exists(index, ignored)) {
    add_shards(folder, index);
  } else {
    raise("{}: expected model.safetensors or model.safetensors.index.json{}", folder.string(),
          fs::exists(folder / "pytorch_model.bin", ignored) ||
                  fs::exists(folder / "pytorch_model.bin.index.json", ignored)
              ? ", found pytorch_model.bin; hint: convert it with transformers' "
                "save_pretrained(safe_serialization=True)"
              : "");
  }
}

POSTTRAIN_INLINE const SafetensorsFile& WeightFiles::add(const fs::path& path) {
  files_.push_back(std::make_unique<SafetensorsFile>(path));
  const SafetensorsFile& file = *files_.back();
  for (const TensorView& tensor : file.tensors()) {
    const auto [found, is_new] = entries_.emplace(tensor.name, Entry{&tensor, &file});
    if (!is_new) {
      raise("tensor '{}' lies in {} and in {}", tensor.name, found->second.file->path(),
            file.path());
    }
  }
  return file;
}

POSTTRAIN_INLINE void WeightFiles::add_shards(const fs::path& folder, const fs::path& index) {
  const Json json =
      parse_json_without_duplicates(read_text_file(index, kLargestJsonFile), index.string());
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    raise("{}: expected an object with a 'weight_map' of tensor names to files", index.string());
  }
  std::map<std::string, const SafetensorsFile*> shards;
  for (const auto& [name, file] : json["weight_map"].items()) {
    const std::string text = file.is_string() ? file.get<std::string>() : "";
    if (text.empty() || fs::path(text).filename().string() != text) {
      raise("{}: tensor '{}': expected a file name within the folder, got {}", index.string(), name,
            file.dump(-1, ' ', true));
    }
    shards[text] = nullptr;
  }
  for (auto& [file, shard] : shards) {
    std::error_code ignored;
    if (!fs::exists(folder / file, ignored)) {
      raise("{}: the index names {}, which is not there; hint: is the download complete?",
            index.string(), file);
    }
    shard = &add(folder / file);
  }
  for (const auto& [name, file] : json["weight_map"].items()) {
    const SafetensorsFile* shard = shards.at(file.get<std::string>());
    if (shard->find(name) == nullptr) {
      raise("{}: expected a tensor '{}' (from {}), found none", shard->path(), name,
            index.string());
    }
  }
}

}  // namespace posttrain::io
