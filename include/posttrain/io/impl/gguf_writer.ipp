// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf_writer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/io/impl/gguf.ipp"

namespace posttrain::io {

template <class T>
void GgufMetadata::append(const T& value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

POSTTRAIN_INLINE void GgufMetadata::append_text(std::string_view text) {
  append<std::uint64_t>(text.size());
  bytes_ += text;
}

POSTTRAIN_INLINE void GgufMetadata::begin(std::string_view key, GgufValueType type) {
  if (!keys_.emplace(key).second) raise("metadata of a GGUF file: key '{}' came twice", key);
  append_text(key);
  append(type);
}

POSTTRAIN_INLINE void GgufMetadata::begin_array(std::string_view key, GgufValueType element,
                                                std::uint64_t count) {
  begin(key, GgufValueType::kArray);
  append(element);
  append(count);
}

POSTTRAIN_INLINE void GgufMetadata::u32(std::string_view key, std::uint32_t value) {
  begin(key, GgufValueType::kU32);
  append(value);
}

POSTTRAIN_INLINE void GgufMetadata::f32(std::string_view key, float value) {
  begin(key, GgufValueType::kF32);
  append(value);
}

POSTTRAIN_INLINE void GgufMetadata::boolean(std::string_view key, bool value) {
  begin(key, GgufValueType::kBool);
  append<std::uint8_t>(value ? 1 : 0);
}

POSTTRAIN_INLINE void GgufMetadata::text(std::string_view key, std::string_view value) {
  begin(key, GgufValueType::kText);
  append_text(value);
}

POSTTRAIN_INLINE void GgufMetadata::i32s(std::string_view key,
                                         std::span<const std::int32_t> values) {
  begin_array(key, GgufValueType::kI32, values.size());
  for (const std::int32_t value : values) append(value);
}

POSTTRAIN_INLINE void GgufMetadata::f32s(std::string_view key, std::span<const float> values) {
  begin_array(key, GgufValueType::kF32, values.size());
  for (const float value : values) append(value);
}

POSTTRAIN_INLINE void GgufMetadata::texts(std::string_view key,
                                          const std::vector<std::string>& values) {
  begin_array(key, GgufValueType::kText, values.size());
  for (const std::string& value : values) append_text(value);
}

POSTTRAIN_INLINE void GgufMetadata::copy(std::string_view key, const GgufValue& value) {
  if (value.type == GgufValueType::kArray) {
    begin_array(key, value.element, value.count);
  } else {
    begin(key, value.type);
    if (value.type == GgufValueType::kText) append<std::uint64_t>(value.bytes.size());
  }
  bytes_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

POSTTRAIN_INLINE std::uint64_t GgufTensorInfo::bytes() const {
  const GgufTypeInfo& info = gguf_type_info(type);
  std::uint64_t values = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(values, static_cast<std::uint64_t>(size), &values)) {
      raise("tensor '{}' cannot have a dimension of {}", name, size);
    }
  }
  if (shape.empty() || shape.size() > detail::kMostGgufDimensions ||
      shape.back() % info.block != 0) {
    raise("tensor '{}' of type {} expected 1 to {} dimensions, the last a multiple of {}", name,
          info.name, detail::kMostGgufDimensions, info.block);
  }
  return values / static_cast<std::uint64_t>(info.block) * static_cast<std::uint64_t>(info.bytes);
}

POSTTRAIN_INLINE GgufWriter::GgufWriter(const fs::path& path, const GgufMetadata& metadata,
                                        const std::vector<GgufTensorInfo>& tensors)
    : file_(path) {
  std::string head = "GGUF";
  const auto append = [&](auto value) {
    head.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(std::uint32_t{3});
  append(static_cast<std::uint64_t>(tensors.size()));
  append(metadata.size());
  head += metadata.bytes();
  constexpr std::uint64_t kAlignment = 32;  // what holds without a key that says otherwise
  const auto padded = [](std::uint64_t size) {
    return (size + kAlignment - 1) & ~(kAlignment - 1);
  };
  std::uint64_t offset = 0;
  for (const GgufTensorInfo& tensor : tensors) {
    if (!pending_.emplace(tensor.name, Pending{offset, tensor.bytes(), false}).second) {
      raise("{}: tensor '{}' is declared twice", path.string(), tensor.name);
    }
    append(static_cast<std::uint64_t>(tensor.name.size()));
    head += tensor.name;
    append(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) append(*size);
    append(tensor.type);
    append(offset);
    offset = padded(offset + tensor.bytes());
  }
  head.resize(padded(head.size()), '\0');
  for (auto& [name, tensor] : pending_) tensor.offset += head.size();
  file_.write(head);
  // llama.cpp wants the padding behind the last tensor, too.
  if (offset > 0) file_.write_at(head.size() + offset - 1, std::vector<std::byte>(1));
}

POSTTRAIN_INLINE void GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = pending_.find(name);
  if (found == pending_.end()) {
    raise("{}: tensor '{}' was not declared", file_.target().string(), name);
  }
  Pending& tensor = found->second;
  if (tensor.written) raise("{}: tensor '{}' came twice", file_.target().string(), name);
  if (bytes.size() != tensor.bytes) {
    raise("{}: expected {} bytes for tensor '{}', got {}", file_.target().string(), tensor.bytes,
          name, bytes.size());
  }
  file_.write_at(tensor.offset, bytes);
  tensor.written = true;
}

POSTTRAIN_INLINE void GgufWriter::finish() {
  for (const auto& [name, tensor] : pending_) {
    if (!tensor.written) raise("{}: tensor '{}' never came", file_.target().string(), name);
  }
  file_.commit();
}

}  // namespace posttrain::io
