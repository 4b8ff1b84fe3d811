// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files, one or a set of shards with model.safetensors.index.json.
//
// Names, types and shapes are declared first (the header comes first), then the data streams in,
// tensor by tensor in any order: never more than one tensor has to exist. The layout is the
// reference's: types by falling alignment, then by name; the header padded to 8 bytes. So equal
// tensors give equal files.
#pragma once

#include "posttrain/io/safetensors.hpp"

namespace posttrain::io {

using SafetensorsMetadata = std::map<std::string, std::string>;

class SafetensorsWriter {
 public:
  /// Creates `path`. "format": "pt" in the metadata is what transformers asks for.
  SafetensorsWriter(const fs::path& path, std::vector<TensorInfo> entries,
                    const SafetensorsMetadata& metadata = {{"format", "pt"}})
      : file_(path) {
    std::sort(entries.begin(), entries.end(), [](const TensorInfo& a, const TensorInfo& b) {
      const int a_bits = dtype_bits(a.dtype), b_bits = dtype_bits(b.dtype);
      return std::tie(b_bits, a.dtype, a.name) < std::tie(a_bits, b.dtype, b.name);
    });
    std::string header = "{";
    if (!metadata.empty()) header += "\"__metadata__\":" + Json(metadata).dump();
    std::uint64_t offset = 0;
    for (TensorInfo& entry : entries) {
      const std::optional<std::uint64_t> bytes = byte_count(entry.dtype, entry.shape);
      if (!bytes) {
        raise("{}: tensor '{}' cannot have type {} and shape {}", path.string(), entry.name,
              dtype_name(entry.dtype), format_shape(entry.shape));
      }
      if (header.size() > 1) header += ',';
      header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                            Json(entry.name).dump(), dtype_name(entry.dtype),
                            join(entry.shape, ","), offset, offset + *bytes);
      const std::string name = entry.name;
      const bool is_new =
          pending_.emplace(name, Pending{std::move(entry), offset, *bytes, false}).second;
      if (!is_new || name == "__metadata__") {
        raise("{}: tensor name '{}' is declared twice or reserved", path.string(), name);
      }
      offset += *bytes;
    }
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    if (header.size() > SafetensorsFile::kMaxHeader) {
      raise("{}: the header would have {} bytes, the limit is {}", path.string(), header.size(),
            SafetensorsFile::kMaxHeader);
    }
    const std::uint64_t header_size = header.size();
    file_.write(std::as_bytes(std::span(&header_size, 1)));
    file_.write(header);
    data_begin_ = 8 + header_size;
  }

  /// The data of one declared tensor, once.
  void write(std::string_view name, std::span<const std::byte> bytes) {
    const auto found = pending_.find(name);
    if (found == pending_.end()) {
      raise("{}: tensor '{}' was not declared", file_.path().string(), name);
    }
    Pending& tensor = found->second;
    if (tensor.written) raise("{}: tensor '{}' came twice", file_.path().string(), name);
    if (bytes.size() != tensor.bytes) {
      raise("{}: expected {} bytes for tensor '{}' ({} {}), got {}", file_.path().string(),
            tensor.bytes, name, dtype_name(tensor.info.dtype), format_shape(tensor.info.shape),
            bytes.size());
    }
    file_.write_at(data_begin_ + tensor.offset, bytes);
    tensor.written = true;
  }

  /// Checks that everything came, flushes and closes.
  void finish() {
    for (const auto& [name, tensor] : pending_) {
      if (!tensor.written) raise("{}: tensor '{}' never came", file_.path().string(), name);
    }
    file_.close();
  }

 private:
  struct Pending {
    TensorInfo info;
    std::uint64_t offset = 0, bytes = 0;
    bool written = false;
  };
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
  std::string index_json() const {
    if (shards.size() < 2) return "";
    Json index = {{"metadata", {{"total_size", total_size}}}, {"weight_map", Json::object()}};
    auto& files = index["weight_map"].get_ref<Json::object_t&>();  // looks no name up as it grows
    for (const Shard& shard : shards) {
      for (const TensorInfo& entry : shard.entries) files.emplace_back(entry.name, shard.file);
    }
    return index.dump(2) + "\n";
  }
};

/// Fills shards of at most `max_shard_bytes` in the order given (a larger tensor gets one for
/// itself); named <stem>.safetensors, or <stem>-00001-of-0000N.safetensors where there are several.
inline ShardPlan plan_shards(const std::vector<TensorInfo>& entries, std::uint64_t max_shard_bytes,
                             std::string_view stem = "model") {
  if (max_shard_bytes == 0) fail("max_shard_bytes must be positive");
  ShardPlan plan;
  std::uint64_t shard_size = 0;
  for (const TensorInfo& entry : entries) {
    const std::uint64_t bytes = byte_count(entry.dtype, entry.shape).value_or(0);
    if (plan.shards.empty() || (shard_size > 0 && shard_size + bytes > max_shard_bytes)) {
      plan.shards.emplace_back();
      shard_size = 0;
    }
    plan.shards.back().entries.push_back(entry);
    shard_size += bytes;
    plan.total_size += bytes;
  }
  if (plan.shards.empty()) plan.shards.emplace_back();
  for (std::size_t i = 0; i < plan.shards.size(); ++i) {
    plan.shards[i].file = plan.shards.size() == 1 ? fmt::format("{}.safetensors", stem)
                                                  : fmt::format("{}-{:05}-of-{:05}.safetensors",
                                                                stem, i + 1, plan.shards.size());
  }
  return plan;
}

}  // namespace posttrain::io
