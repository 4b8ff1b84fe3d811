// SPDX-License-Identifier: Apache-2.0
// The weights of a Hugging Face checkpoint folder: model.safetensors, or the shards that
// model.safetensors.index.json names. No tensors of LibTorch here.
//
// A folder with both is read as transformers does: the single file wins.
#pragma once

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/safetensors.hpp"

namespace posttrain::io {

class WeightFiles {
 public:
  /// A tensor and the file it lies in.
  struct Entry {
    const TensorView* tensor = nullptr;
    const SafetensorsFile* file = nullptr;
  };

  explicit WeightFiles(const fs::path& folder);

  /// All tensors by name; those in a shard that the index forgets are there, too.
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  const Entry* find(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
  }

 private:
  const SafetensorsFile& add(const fs::path& path);

  void add_shards(const fs::path& folder, const fs::path& index);

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/weight_files.ipp"
#endif
