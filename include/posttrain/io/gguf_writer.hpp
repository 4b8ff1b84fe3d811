// SPDX-License-Identifier: Apache-2.0
// Writes GGUF files (io/gguf.hpp), version 3.
//
// Metadata and the tensors' names, types and shapes are declared first, then the data streams in,
// tensor by tensor in any order: never more than one has to exist. The file is built beside its
// place and appears there as a whole (io/atomic_file.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/gguf.hpp"

namespace posttrain::io {

/// Metadata to be written, in this order; a key that comes twice is an error.
class GgufMetadata {
 public:
  void u32(std::string_view key, std::uint32_t value);
  void f32(std::string_view key, float value);
  void boolean(std::string_view key, bool value);
  void text(std::string_view key, std::string_view value);
  void i32s(std::string_view key, std::span<const std::int32_t> values);
  void f32s(std::string_view key, std::span<const float> values);
  void texts(std::string_view key, const std::vector<std::string>& values);
  /// As another file has it.
  void copy(std::string_view key, const GgufValue& value);

  bool has(std::string_view key) const { return keys_.contains(key); }
  std::uint64_t size() const { return keys_.size(); }
  /// As the file has them.
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, GgufValueType type);
  void begin_array(std::string_view key, GgufValueType element, std::uint64_t count);
  template <class T>
  void append(const T& value);
  void append_text(std::string_view text);

  std::set<std::string, std::less<>> keys_;
  std::string bytes_;
};

/// A tensor to be written: name, type, shape (row major).
struct GgufTensorInfo {
  std::string name;
  GgufType type = GgufType::kF32;
  std::vector<std::int64_t> shape;

  /// Bytes of its values. Throws where rows are no whole blocks.
  std::uint64_t bytes() const;
};

class GgufWriter {
 public:
  /// Creates the file beside `path`.
  GgufWriter(const fs::path& path, const GgufMetadata& metadata,
             const std::vector<GgufTensorInfo>& tensors);

  /// The data of one declared tensor, once.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Checks that everything came and puts the file in its place.
  void finish();

  /// Where the file stands until then, all metadata in it.
  const fs::path& unfinished() const { return file_.path(); }

 private:
  struct Pending {
    std::uint64_t offset = 0, bytes = 0;
    bool written = false;
  };

  AtomicFile file_;
  std::map<std::string, Pending, std::less<>> pending_;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/gguf_writer.ipp"
#endif
