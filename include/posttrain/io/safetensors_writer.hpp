// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files, one or a set of shards with model.safetensors.index.json.
//
// Names, types and shapes are declared first (the header comes first), then the data streams in,
// tensor by tensor in any order: never more than one tensor, or part of one, has to exist. The
// layout is the reference's: types by falling alignment, then by name; the header padded to 8
// bytes. So equal tensors give equal files.
#pragma once

#include "posttrain/io/safetensors.hpp"

namespace posttrain::io {

using SafetensorsMetadata = std::map<std::string, std::string>;

class SafetensorsWriter {
 public:
  /// Creates `path`. "format": "pt" in the metadata is what transformers asks for.
  SafetensorsWriter(const fs::path& path, std::vector<TensorInfo> entries,
                    const SafetensorsMetadata& metadata = {{"format", "pt"}});

  /// The data of one declared tensor, once.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// The next part of the data of one declared tensor; at least one, be it empty.
  void write_part(std::string_view name, std::span<const std::byte> bytes);

  /// Checks that everything came, flushes and closes.
  void finish();

 private:
  struct Pending {
    TensorInfo info;
    std::uint64_t offset = 0, bytes = 0;
    std::uint64_t written = 0;  // bytes
    bool begun = false;
  };
  Pending& declared(std::string_view name);

  OutputFile file_;
  std::uint64_t data_begin_ = 0;
  std::map<std::string, Pending, std::less<>> pending_;
};

/// Writes a file; `data(info)` returns something that converts to the tensor's bytes and owns them.
template <class Data>
void write_safetensors(const fs::path& path, const std::vector<TensorInfo>& entries, Data&& data,
                       const SafetensorsMetadata& metadata = {{"format", "pt"}}) {
  SafetensorsWriter writer(path, entries, metadata);
  for (const TensorInfo& entry : entries) {
    const auto owner = data(entry);
    writer.write(entry.name, std::span<const std::byte>(owner));
  }
  writer.finish();
}

/// How tensors are divided among files.
struct ShardPlan {
  struct Shard {
    std::string file;
    std::vector<TensorInfo> entries;
  };
  std::vector<Shard> shards;  // in the order of the tensors
  std::uint64_t total_size = 0;

  /// The text of <stem>.safetensors.index.json; empty where one file is enough.
  std::string index_json() const;
};

/// Fills shards of at most `max_shard_bytes` in the order given (a larger tensor gets one for
/// itself); named <stem>.safetensors, or <stem>-00001-of-0000N.safetensors where there are several.
ShardPlan plan_shards(const std::vector<TensorInfo>& entries, std::uint64_t max_shard_bytes,
                      std::string_view stem = "model");

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/safetensors_writer.ipp"
#endif
