// SPDX-License-Identifier: Apache-2.0
// Between safetensors and LibTorch: element types, tensors out of files, bytes out of tensors.
#pragma once

#include "posttrain/io/safetensors.hpp"
#include "posttrain/io/safetensors_writer.hpp"
#include "posttrain/tensor/content.hpp"
#include "posttrain/tensor/host_parts.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::io {

/// LibTorch's type for a file's, or nothing (packed 4 and 6 bit floats).
inline std::optional<at::ScalarType> scalar_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return at::kDouble;
    case Dtype::kF32:
      return at::kFloat;
    case Dtype::kF16:
      return at::kHalf;
    case Dtype::kBF16:
      return at::kBFloat16;
    case Dtype::kI64:
      return at::kLong;
    case Dtype::kI32:
      return at::kInt;
    case Dtype::kI16:
      return at::kShort;
    case Dtype::kI8:
      return at::kChar;
    case Dtype::kU64:
      return at::kUInt64;
    case Dtype::kU32:
      return at::kUInt32;
    case Dtype::kU16:
      return at::kUInt16;
    case Dtype::kU8:
      return at::kByte;
    case Dtype::kBool:
      return at::kBool;
    case Dtype::kC64:
      return at::kComplexFloat;
    case Dtype::kF8E4M3:
      return at::kFloat8_e4m3fn;
    case Dtype::kF8E5M2:
      return at::kFloat8_e5m2;
    case Dtype::kF8E8M0:
      return at::kFloat8_e8m0fnu;
    case Dtype::kF8E4M3Fnuz:
      return at::kFloat8_e4m3fnuz;
    case Dtype::kF8E5M2Fnuz:
      return at::kFloat8_e5m2fnuz;
    default:
      return std::nullopt;
  }
}

/// The file's type for one of LibTorch's; throws where safetensors has none.
inline Dtype dtype_of(at::ScalarType type) {
  for (const auto& entry : detail::kDtypes) {
    if (scalar_type(entry.dtype) == type) return entry.dtype;
  }
  raise("safetensors has no element type for {}", c10::toString(type));
}

/// A fresh contiguous CPU tensor with the content of a tensor of `file`, whose own pages then leave
/// the process's memory: loading takes no more of it than what is loaded.
inline Tensor to_tensor(const TensorView& view, const SafetensorsFile& file) {
  const std::optional<at::ScalarType> type = scalar_type(view.dtype);
  if (!type) {
    raise("{}: tensor '{}' has type {}, which LibTorch cannot hold", file.path(), view.name,
          dtype_name(view.dtype));
  }
  Tensor tensor = at::empty(view.shape, at::TensorOptions().dtype(*type));
  // Copied byte by byte: the bytes in the file need not be aligned for the type.
  if (!view.bytes.empty()) std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
  file.release(view);
  return tensor;
}

/// Adds a tensor of `file` with its name to a hash, as `posttrain::add_content` adds the one that
/// `to_tensor` gives.
inline void add_content(ContentHash& hash, const TensorView& view, const SafetensorsFile& file) {
  const std::optional<at::ScalarType> type = scalar_type(view.dtype);
  hash.add(view.name);
  posttrain::add_content(hash, type.value_or(at::ScalarType::Undefined), view.shape, view.bytes);
  file.release(view);
}

/// How a file is to declare this tensor.
inline TensorInfo tensor_info(std::string name, const Tensor& tensor) {
  return {std::move(name), dtype_of(tensor.scalar_type()), tensor.sizes().vec()};
}

/// A tensor as declared by `info`, where it lies. The type is converted if it differs; another
/// shape is an error.
inline Tensor as_declared(const TensorInfo& info, const Tensor& tensor) {
  if (!tensor.defined() || tensor.sizes() != at::IntArrayRef(info.shape)) {
    raise("tensor '{}': expected shape {} to write, got {}", info.name, format_shape(info.shape),
          tensor.defined() ? format_shape(tensor.sizes().vec()) : "an undefined tensor");
  }
  const std::optional<at::ScalarType> type = scalar_type(info.dtype);
  if (!type) {
    raise("tensor '{}': LibTorch cannot hold type {}", info.name, dtype_name(info.dtype));
  }
  return tensor.detach().to(*type);
}

/// Writes one file of the tensors that `source(i)` gives for `entries[i]`, on any device: each is
/// copied to the host once, and written while the next one comes over (tensor/host_parts.hpp).
/// `seen`, where there is one, gets the bytes too.
inline void write_tensors(const fs::path& path, const std::vector<TensorInfo>& entries,
                          const TensorSource& source,
                          const SafetensorsMetadata& metadata = {{"format", "pt"}},
                          const PartUse& seen = {}) {
  SafetensorsWriter writer(path, entries, metadata);
  std::uint64_t largest = 0;
  for (const TensorInfo& info : entries) {
    largest = std::max(largest, byte_count(info.dtype, info.shape).value_or(0));
  }
  for_each_part(
      entries.size(), [&](std::size_t i) { return as_declared(entries[i], source(i)); },
      static_cast<std::int64_t>(largest),
      [&](std::size_t i, std::int64_t begin, std::span<const std::byte> bytes) {
        writer.write_part(entries[i].name, bytes);
        if (seen) seen(i, begin, bytes);
      });
  writer.finish();
}

/// Writes named tensors to one file, in the order of the reference; equal names are an error.
inline void save_tensors(const fs::path& path,
                         const std::vector<std::pair<std::string, Tensor>>& tensors,
                         const SafetensorsMetadata& metadata = {{"format", "pt"}}) {
  std::vector<TensorInfo> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back(tensor_info(name, tensor));
  write_tensors(
      path, entries, [&](std::size_t i) { return tensors[i].second; }, metadata);
}

/// Reads all tensors of one file, by name.
inline std::map<std::string, Tensor> load_tensors(const fs::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const TensorView& view : file.tensors()) {
    tensors.emplace(view.name, to_tensor(view, file));
  }
  return tensors;
}

}  // namespace posttrain::io
