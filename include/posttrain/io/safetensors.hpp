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
std::optional<std::uint64_t> byte_count(Dtype dtype, std::span<const std::int64_t> shape);

class SafetensorsFile {
 public:
  static constexpr std::uint64_t kMaxHeader = 100'000'000;

  explicit SafetensorsFile(const fs::path& path);

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
  void read_header(std::string_view header, std::span<const std::byte> data);

  void read_metadata(const Json& entry);

  /// Fills in type and shape; returns the byte offsets.
  std::pair<std::uint64_t, std::uint64_t> read_entry(const Json& entry, TensorView& tensor) const;

  std::string path_;
  std::unique_ptr<MappedFile> map_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/safetensors.ipp"
#endif
