// SPDX-License-Identifier: Apache-2.0
// The tensors of a checkpoint by the names of transformers, wherever they are stored: in
// safetensors files here, in GGUF files in hub/gguf_tensors.hpp.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "posttrain/base/hash.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/io/weight_files.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::io {

class StoredTensors {
 public:
  using Entries = std::map<std::string, TensorInfo, std::less<>>;

  StoredTensors() = default;
  StoredTensors(const StoredTensors&) = delete;
  StoredTensors& operator=(const StoredTensors&) = delete;
  virtual ~StoredTensors() = default;

  /// Name, type and shape of each as `load` gives it.
  const Entries& entries() const { return entries_; }

  // The names below are names of entries.

  /// A fresh contiguous CPU tensor; the file's own pages leave the process's memory.
  virtual Tensor load(std::string_view name) const = 0;
  /// A matrix in the file's own blocks (storage/gguf.hpp); empty where it is dense.
  virtual PackedTensors load_packed(std::string_view) const { return {}; }
  /// The path of its file.
  virtual const std::string& file(std::string_view name) const = 0;
  /// Whether two are stored with the same type, shape and bytes.
  virtual bool same_content(std::string_view a, std::string_view b) const = 0;
  /// Adds name, type, shape and stored bytes to a hash.
  virtual void add_content(ContentHash& hash, std::string_view name) const = 0;

 protected:
  Entries entries_;
};

/// Those of a folder: model.safetensors or its shards.
class FolderTensors final : public StoredTensors {
 public:
  explicit FolderTensors(const fs::path& folder) : files_(folder) {
    for (const auto& [name, entry] : files_.entries()) entries_.emplace(name, *entry.tensor);
  }

  Tensor load(std::string_view name) const override {
    return to_tensor(*at(name).tensor, *at(name).file);
  }
  const std::string& file(std::string_view name) const override { return at(name).file->path(); }

  bool same_content(std::string_view a, std::string_view b) const override {
    const TensorView &first = *at(a).tensor, &second = *at(b).tensor;
    const bool same = first.dtype == second.dtype && first.shape == second.shape &&
                      std::ranges::equal(first.bytes, second.bytes);
    at(a).file->release(first);
    at(b).file->release(second);
    return same;
  }

  void add_content(ContentHash& hash, std::string_view name) const override {
    io::add_content(hash, *at(name).tensor, *at(name).file);
  }

 private:
  const WeightFiles::Entry& at(std::string_view name) const { return *files_.find(name); }

  WeightFiles files_;
};

}  // namespace posttrain::io
