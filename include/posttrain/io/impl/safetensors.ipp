// SPDX-License-Identifier: Apache-2.0
// Definitions of safetensors.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/safetensors.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE std::optional<std::uint64_t> byte_count(Dtype dtype,
                                                         std::span<const std::int64_t> shape) {
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_bits(dtype));
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits)) {
      return std::nullopt;
    }
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

POSTTRAIN_INLINE SafetensorsFile::SafetensorsFile(const fs::path& path)
    : path_(path.string()), map_(std::make_unique<MappedFile>(path)) {
  const std::span<const std::byte> file = map_->bytes();
  refuse_lfs_pointer({reinterpret_cast<const char*>(file.data()), file.size()}, path);
  if (file.size() < 8) {
    raise("{}: expected a safetensors file of at least 8 bytes, found {}", path_, file.size());
  }
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, file.data(), 8);
  if (header_size > kMaxHeader || header_size > file.size() - 8) {
    raise(
        "{}: the header's length is given as {} bytes, but the file has {} after it and the "
        "limit is {}; hint: is this a safetensors file, and complete?",
        path_, header_size, file.size() - 8, kMaxHeader);
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, header_size);
  read_header(header, file.subspan(8 + header_size));
}

POSTTRAIN_INLINE void SafetensorsFile::read_header(std::string_view header,
                                                   std::span<const std::byte> data) {
  if (!header.starts_with('{')) {
    raise("{}: expected a JSON object as header; hint: is this a safetensors file?", path_);
  }
  const Json json = parse_json_without_duplicates(header, path_ + ": header");
  struct Extent {
    std::uint64_t begin, end;
  };
  std::vector<std::pair<Extent, TensorView>> found;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") {
      read_metadata(entry);
      continue;
    }
    TensorView tensor;
    tensor.name = name;
    const auto [begin, end] = read_entry(entry, tensor);
    if (begin > end || end > data.size()) {
      raise("{}: tensor '{}' is said to lie at bytes [{}, {}) of {}; hint: is the file complete?",
            path_, name, begin, end, data.size());
    }
    const std::optional<std::uint64_t> bytes = byte_count(tensor.dtype, tensor.shape);
    if (!bytes || *bytes != end - begin) {
      raise("{}: tensor '{}' of type {} and shape {} does not fit its {} bytes", path_, name,
            dtype_name(tensor.dtype), format_shape(tensor.shape), end - begin);
    }
    tensor.bytes = data.subspan(begin, end - begin);
    found.push_back({{begin, end}, std::move(tensor)});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.begin, a.first.end, a.second.name) <
           std::tie(b.first.begin, b.first.end, b.second.name);
  });
  std::uint64_t expected = 0;
  for (auto& [extent, tensor] : found) {
    if (extent.begin != expected) {
      raise("{}: tensor '{}' begins at byte {}, expected {}: tensors overlap or leave a hole",
            path_, tensor.name, extent.begin, expected);
    }
    expected = extent.end;
    tensors_.push_back(std::move(tensor));
  }
  if (expected != data.size()) {
    raise("{}: the tensors end at byte {}, but the file has {} bytes of data", path_, expected,
          data.size());
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

POSTTRAIN_INLINE void SafetensorsFile::read_metadata(const Json& entry) {
  if (!entry.is_object()) raise("{}: expected __metadata__ to be an object", path_);
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) raise("{}: expected __metadata__ '{}' to be a string", path_, key);
    metadata_[key] = value.get<std::string>();
  }
}

POSTTRAIN_INLINE std::pair<std::uint64_t, std::uint64_t> SafetensorsFile::read_entry(
    const Json& entry, TensorView& tensor) const {
  const auto field = [&](const char* key) -> const Json& {
    if (!entry.is_object() || !entry.contains(key)) {
      raise("{}: tensor '{}' has no '{}' in the header", path_, tensor.name, key);
    }
    return entry[key];
  };
  const Json& dtype = field("dtype");
  const std::optional<Dtype> known =
      dtype.is_string() ? find_dtype(dtype.get_ref<const std::string&>()) : std::nullopt;
  if (!known) {
    raise("{}: tensor '{}' has the unknown dtype {}", path_, tensor.name, shown(dtype));
  }
  tensor.dtype = *known;
  const auto numbers = [&](const char* key) {
    const Json& list = field(key);
    std::vector<std::uint64_t> values;
    bool good = list.is_array();
    for (std::size_t i = 0; good && i < list.size(); ++i) {
      good = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() <= INT64_MAX;
      if (good) values.push_back(list[i].get<std::uint64_t>());
    }
    if (!good) {
      raise("{}: tensor '{}': expected '{}' to be a list of whole numbers", path_, tensor.name,
            key);
    }
    return values;
  };
  const std::vector<std::uint64_t> shape = numbers("shape");
  tensor.shape.assign(shape.begin(), shape.end());
  const std::vector<std::uint64_t> offsets = numbers("data_offsets");
  if (offsets.size() != 2) {
    raise("{}: tensor '{}': expected two data_offsets, got {}", path_, tensor.name, offsets.size());
  }
  return {offsets[0], offsets[1]};
}

}  // namespace posttrain::io
