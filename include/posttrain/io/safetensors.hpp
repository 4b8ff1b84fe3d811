// SPDX-License-Identifier: Apache-2.0
// Reads a safetensors file: 8 bytes header length (little endian), a JSON header, the tensors.
//
// The file is mapped, nothing is copied. A file from anywhere is safe to open: the header is at
// most 100 MB and inside the file, every tensor's bytes are what its dtype and shape say, and the
// tensors cover the data section without overlap and without holes (as the reference demands).
#pragma once

#include <algorithm>
#include <bit>
#include <map>
#include <memory>

#include "posttrain/base/join.hpp"
#include "posttrain/io/dtype.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

/// A tensor's entry in a file: name, type and shape.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;  // row major; empty: a scalar
};

/// A tensor of an open file; `bytes` live as long as the file and may be unaligned.
struct TensorView : TensorInfo {
  std::span<const std::byte> bytes;
};

/// "[2, 3]"
inline std::string format_shape(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", join(shape, ", "));
}

/// Bytes of a tensor of this type and shape, or nothing where that overflows, a size is negative,
/// or packed elements do not fill whole bytes.
inline std::optional<std::uint64_t> byte_count(Dtype dtype, std::span<const std::int64_t> shape) {
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_bits(dtype));
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits)) {
      return std::nullopt;
    }
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

class SafetensorsFile {
 public:
  static constexpr std::uint64_t kMaxHeader = 100'000'000;

  explicit SafetensorsFile(const fs::path& path)
      : path_(path.string()), map_(std::make_unique<MappedFile>(path)) {
    const std::span<const std::byte> file = map_->bytes();
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

  const std::string& path() const { return path_; }

  /// All tensors, in the order of their bytes in the file.
  const std::vector<TensorView>& tensors() const { return tensors_; }

  /// The `__metadata__` of the header.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The tensor called `name`, or null.
  const TensorView* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
  }

  /// The tensor called `name`; throws where there is none.
  const TensorView& at(std::string_view name) const {
    const TensorView* found = find(name);
    if (found == nullptr) raise("{}: expected a tensor '{}', found none", path_, name);
    return *found;
  }

  /// A tensor of this file that was copied out need not stay in memory.
  void release(const TensorView& tensor) const { map_->release(tensor.bytes); }

 private:
  void read_header(std::string_view header, std::span<const std::byte> data) {
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

  void read_metadata(const Json& entry) {
    if (!entry.is_object()) raise("{}: expected __metadata__ to be an object", path_);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) raise("{}: expected __metadata__ '{}' to be a string", path_, key);
      metadata_[key] = value.get<std::string>();
    }
  }

  /// Fills in type and shape; returns the byte offsets.
  std::pair<std::uint64_t, std::uint64_t> read_entry(const Json& entry, TensorView& tensor) const {
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
      raise("{}: tensor '{}' has the unknown dtype {}", path_, tensor.name,
            dtype.dump(-1, ' ', true));
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
      raise("{}: tensor '{}': expected two data_offsets, got {}", path_, tensor.name,
            offsets.size());
    }
    return {offsets[0], offsets[1]};
  }

  std::string path_;
  std::unique_ptr<MappedFile> map_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace posttrain::io
