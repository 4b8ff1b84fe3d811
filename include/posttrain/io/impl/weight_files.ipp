// SPDX-License-Identifier: Apache-2.0
// Definitions of weight_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/weight_files.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE WeightFiles::WeightFiles(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) recover_folder(folder);
  check_folder(folder, FolderOf::model);
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  if (fs::exists(single, ignored)) {
    add(single);
  } else if (fs::exists(index, ignored)) {
    add_shards(folder, index);
  } else {
    raise_no_weights(folder, FolderOf::model, "model");
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
            shown(file));
    }
    shards[text] = nullptr;
  }
  for (auto& [file, shard] : shards) {
    std::error_code error;
    if (!fs::exists(folder / file, error)) {
      raise("{}: the index names {}, which is {}; hint: is the download complete?", index.string(),
            file, error ? "no file that opens (" + error.message() + ")" : "not there");
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
