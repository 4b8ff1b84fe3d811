// SPDX-License-Identifier: Apache-2.0
// Reads GGUF files, llama.cpp's form of a model: metadata (hyperparameters, tokenizer, template)
// and tensors in one file, or in several that `split.count` announces. Versions 2 and 3, little
// endian.
//
// The file is mapped, nothing is copied. A file from anywhere is safe to open: every count and
// length is compared with the bytes that are left before anything is allocated for it, keys and
// tensors occur once, and tensors lie one behind another, as llama.cpp demands it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/gguf_type.hpp"

namespace posttrain::io {

static_assert(std::endian::native == std::endian::little, "GGUF files are little endian");

/// The type of a metadata value, by its number in the file.
enum class GgufValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// A metadata value as it lies in the file.
struct GgufValue {
  GgufValueType type = GgufValueType::kU8;
  GgufValueType element = GgufValueType::kU8;  // of an array, which is no array itself
  std::uint64_t count = 1;                     // of an array's elements
  // Of a text and of an array without their lengths; an array's texts have theirs (8 bytes) before
  // them. They live as long as the file.
  std::span<const std::byte> bytes{};
};

/// A tensor of an open file.
struct GgufTensor {
  std::string name;
  GgufType type = GgufType::kF32;
  std::vector<std::int64_t> shape;   // row major: the file's dimensions, reversed
  std::span<const std::byte> bytes;  // live as long as the file
};

/// One file. Most callers want `GgufModel`, which has all parts.
class GgufFile {
 public:
  explicit GgufFile(const fs::path& path);

  const std::string& path() const { return path_; }
  std::uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  /// In the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  /// A tensor of this file that was copied out need not stay in memory.
  void release(const GgufTensor& tensor) const { map_->release(tensor.bytes); }

 private:
  class Cursor;

  void read_metadata(Cursor& cursor, std::uint64_t count);
  void read_tensors(Cursor& cursor, std::uint64_t count);

  std::string path_;
  std::unique_ptr<MappedFile> map_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
};

/// A model: one file, or all parts of a split one ("name-00001-of-00003.gguf").
class GgufModel {
 public:
  /// A tensor and the file it lies in.
  struct Entry {
    const GgufTensor* tensor = nullptr;
    const GgufFile* file = nullptr;
  };

  /// `path`: the file, or any part of a split one.
  explicit GgufModel(const fs::path& path);

  /// Of the file, or of the first part.
  const std::string& path() const { return files_.front()->path(); }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const {
    return files_.front()->metadata();
  }
  const std::map<std::string, Entry, std::less<>>& tensors() const { return tensors_; }

  const Entry* find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }

  bool has(std::string_view key) const { return metadata().contains(key); }

  /// A value of the metadata. Without `otherwise` the key has to be there; a value of another kind
  /// is an error that names file and key.
  std::int64_t integer(std::string_view key, std::optional<std::int64_t> otherwise = {}) const;
  double number(std::string_view key, std::optional<double> otherwise = {}) const;
  bool boolean(std::string_view key, std::optional<bool> otherwise = {}) const;
  /// UTF-8.
  std::string text(std::string_view key, std::optional<std::string> otherwise = {}) const;
  std::vector<std::int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  /// Any bytes: tokens need not be UTF-8. They live as long as the model.
  std::vector<std::string_view> texts(std::string_view key) const;

 private:
  const GgufFile& add(const fs::path& path);
  void add_parts(const fs::path& path);
  /// What `read` makes of a value, nothing where it is of another kind.
  template <class T, class Read>
  T value(std::string_view key, std::string_view kind, std::optional<T> otherwise, Read read) const;
  template <class T, class Read>
  std::vector<T> values(std::string_view key, std::string_view kind, Read read) const;
  GgufValue array(std::string_view key, std::string_view kind, bool of_texts) const;
  [[noreturn]] void raise_missing(std::string_view key, std::string_view kind) const;
  [[noreturn]] void raise_kind(std::string_view key, std::string_view kind) const;

  std::vector<std::unique_ptr<GgufFile>> files_;
  std::map<std::string, Entry, std::less<>> tensors_;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/gguf.ipp"
#endif
