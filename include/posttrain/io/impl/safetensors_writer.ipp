// SPDX-License-Identifier: Apache-2.0
// Definitions of safetensors_writer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/safetensors_writer.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE SafetensorsWriter::SafetensorsWriter(const fs::path& path,
                                                      std::vector<TensorInfo> entries,
                                                      const SafetensorsMetadata& metadata)
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
                          Json(entry.name).dump(), dtype_name(entry.dtype), join(entry.shape, ","),
                          offset, offset + *bytes);
    const std::string name = entry.name;
    const bool is_new =
        pending_.emplace(name, Pending{std::move(entry), offset, *bytes, 0, false}).second;
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

POSTTRAIN_INLINE SafetensorsWriter::Pending& SafetensorsWriter::declared(std::string_view name) {
  const auto found = pending_.find(name);
  if (found == pending_.end()) {
    raise("{}: tensor '{}' was not declared", file_.path().string(), name);
  }
  return found->second;
}

POSTTRAIN_INLINE void SafetensorsWriter::write(std::string_view name,
                                               std::span<const std::byte> bytes) {
  const Pending& tensor = declared(name);
  if (tensor.begun) raise("{}: tensor '{}' came twice", file_.path().string(), name);
  if (bytes.size() != tensor.bytes) {
    raise("{}: expected {} bytes for tensor '{}' ({} {}), got {}", file_.path().string(),
          tensor.bytes, name, dtype_name(tensor.info.dtype), format_shape(tensor.info.shape),
          bytes.size());
  }
  write_part(name, bytes);
}

POSTTRAIN_INLINE void SafetensorsWriter::write_part(std::string_view name,
                                                    std::span<const std::byte> bytes) {
  Pending& tensor = declared(name);
  if (tensor.begun && tensor.written == tensor.bytes) {
    raise("{}: tensor '{}' came twice", file_.path().string(), name);
  }
  if (bytes.size() > tensor.bytes - tensor.written) {
    raise("{}: expected {} more bytes for tensor '{}', got {}", file_.path().string(),
          tensor.bytes - tensor.written, name, bytes.size());
  }
  file_.write_at(data_begin_ + tensor.offset + tensor.written, bytes);
  tensor.written += bytes.size();
  tensor.begun = true;
}

POSTTRAIN_INLINE void SafetensorsWriter::finish() {
  for (const auto& [name, tensor] : pending_) {
    if (!tensor.begun) raise("{}: tensor '{}' never came", file_.path().string(), name);
    if (tensor.written < tensor.bytes) {
      raise("{}: expected {} bytes for tensor '{}', got {}", file_.path().string(), tensor.bytes,
            name, tensor.written);
    }
  }
  file_.close();
}

POSTTRAIN_INLINE std::string ShardPlan::index_json() const {
  if (shards.size() < 2) return "";
  Json index = {{"metadata", {{"total_size", total_size}}}, {"weight_map", Json::object()}};
  auto& files = index["weight_map"].get_ref<Json::object_t&>();  // looks no name up as it grows
  for (const Shard& shard : shards) {
    for (const TensorInfo& entry : shard.entries) files.emplace_back(entry.name, shard.file);
  }
  return index.dump(2) + "\n";
}

POSTTRAIN_INLINE ShardPlan plan_shards(const std::vector<TensorInfo>& entries,
                                       std::uint64_t max_shard_bytes, std::string_view stem) {
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
