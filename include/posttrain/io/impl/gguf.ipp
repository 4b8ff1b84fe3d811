// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/gguf.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::io {

namespace detail {

inline constexpr std::uint64_t kLargestGgufAlignment = std::uint64_t{1} << 30U;
inline constexpr std::uint32_t kMostGgufDimensions = 4;

inline constexpr std::string_view gguf_value_name(GgufValueType type) {
  constexpr std::array<std::string_view, 13> kNames{
      "uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
      "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

/// Bytes of one value in the file; 0: its length stands with it.
inline constexpr std::size_t gguf_value_size(GgufValueType type) {
  constexpr std::array<std::size_t, 13> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kSizes[static_cast<std::size_t>(type)];
}

template <class T>
T gguf_load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// The whole number of this type, if that is one and fits.
inline std::optional<std::int64_t> gguf_integer(GgufValueType type, const std::byte* from) {
  switch (type) {
    case GgufValueType::kU8:
      return gguf_load<std::uint8_t>(from);
    case GgufValueType::kI8:
      return gguf_load<std::int8_t>(from);
    case GgufValueType::kU16:
      return gguf_load<std::uint16_t>(from);
    case GgufValueType::kI16:
      return gguf_load<std::int16_t>(from);
    case GgufValueType::kU32:
      return gguf_load<std::uint32_t>(from);
    case GgufValueType::kI32:
      return gguf_load<std::int32_t>(from);
    case GgufValueType::kI64:
      return gguf_load<std::int64_t>(from);
    case GgufValueType::kU64: {
      const auto value = gguf_load<std::uint64_t>(from);
      return value <= INT64_MAX ? std::optional(static_cast<std::int64_t>(value)) : std::nullopt;
    }
    case GgufValueType::kF32:
    case GgufValueType::kF64:
    case GgufValueType::kBool:
    case GgufValueType::kText:
    case GgufValueType::kArray:
      break;
  }
  return std::nullopt;
}

/// The finite number of this type, if that is one.
inline std::optional<double> gguf_number(GgufValueType type, const std::byte* from) {
  if (type == GgufValueType::kF32 || type == GgufValueType::kF64) {
    const double value =
        type == GgufValueType::kF32 ? gguf_load<float>(from) : gguf_load<double>(from);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  const auto integer = gguf_integer(type, from);
  return integer ? std::optional(static_cast<double>(*integer)) : std::nullopt;
}

/// A value as messages show it.
inline std::string shown(const GgufValue& value) {
  switch (value.type) {
    case GgufValueType::kText:
      return fmt::format(
          "\"{}\"", text::repair_utf8(
                        {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()}));
    case GgufValueType::kArray:
      return fmt::format("an array of {} {}", value.count, gguf_value_name(value.element));
    case GgufValueType::kBool:
      return value.bytes[0] != std::byte{0} ? "true" : "false";
    case GgufValueType::kF32:
      return fmt::format("{}", gguf_load<float>(value.bytes.data()));
    case GgufValueType::kF64:
      return fmt::format("{}", gguf_load<double>(value.bytes.data()));
    case GgufValueType::kU64:
      return fmt::format("{}", gguf_load<std::uint64_t>(value.bytes.data()));
    default:
      return fmt::format("{}", *gguf_integer(value.type, value.bytes.data()));
  }
}

}  // namespace detail

/// Reads the head of a file from its beginning; whatever would end behind the file is an error.
class GgufFile::Cursor {
 public:
  Cursor(const std::string& path, std::span<const std::byte> bytes) : path_(path), bytes_(bytes) {}

  std::size_t position() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > left()) {
      raise("{}: {} at byte {} takes {} bytes, and the file has {} more; hint: is it complete?",
            path_, what, at_, count, left());
    }
    const auto part = bytes_.subspan(at_, count);
    at_ += count;
    return part;
  }

  template <class T>
  T number(std::string_view what) {
    return detail::gguf_load<T>(take(sizeof(T), what).data());
  }

  std::span<const std::byte> text(std::string_view what) {
    return take(number<std::uint64_t>(what), what);
  }

  /// A name: of a key or a tensor.
  std::string name(std::string_view what) {
    const auto bytes = text(what);
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (name.empty() || !text::is_valid_utf8(name)) {
      raise("{}: expected {} before byte {} to be UTF-8 and not empty, got \"{}\"", path_, what,
            at_, text::repair_utf8(name));
    }
    return std::string(name);
  }

  GgufValueType value_type(std::string_view key) {
    const auto number = this->number<std::uint32_t>("a type");
    if (number > static_cast<std::uint32_t>(GgufValueType::kF64)) {
      raise("{}: key '{}': expected a type from 0 to 12, got {}", path_, key, number);
    }
    return static_cast<GgufValueType>(number);
  }

  GgufValue value(const std::string& key) {
    GgufValue value;
    value.type = value_type(key);
    if (value.type == GgufValueType::kArray) {
      read_array(key, value);
    } else if (value.type == GgufValueType::kText) {
      value.bytes = text("a text");
    } else {
      value.bytes = take(detail::gguf_value_size(value.type), "a value");
    }
    return value;
  }

 private:
  void read_array(const std::string& key, GgufValue& array) {
    array.element = value_type(key);
    array.count = number<std::uint64_t>("an array");
    if (array.element == GgufValueType::kArray) {
      raise("{}: key '{}': expected an array of values, got one of arrays", path_, key);
    }
    const std::size_t begin = at_, size = detail::gguf_value_size(array.element);
    if (array.count > left() / (size > 0 ? size : sizeof(std::uint64_t))) {
      too_long(key, array.count);
    }
    at_ += array.count * size;
    for (std::uint64_t i = 0; size == 0 && i < array.count; ++i) text("a text");
    array.bytes = bytes_.subspan(begin, at_ - begin);
  }

  [[noreturn]] void too_long(const std::string& key, std::uint64_t count) const {
    raise(
        "{}: key '{}': an array of {} values does not fit the {} bytes that follow; hint: is the "
        "file complete?",
        path_, key, count, left());
  }

  const std::string& path_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

POSTTRAIN_INLINE GgufFile::GgufFile(const fs::path& path)
    : path_(path.string()), map_(std::make_unique<MappedFile>(path)) {
  const std::span<const std::byte> file = map_->bytes();
  refuse_lfs_pointer({reinterpret_cast<const char*>(file.data()), file.size()}, path);
  constexpr std::size_t kHead = 24;
  if (file.size() < kHead || std::memcmp(file.data(), "GGUF", 4) != 0) {
    raise(
        "{}: expected a GGUF file, which begins with \"GGUF\" and has at least {} bytes, found {} "
        "bytes{}",
        path_, kHead, file.size(), file.size() < kHead ? "" : " of another kind");
  }
  Cursor cursor(path_, file);
  cursor.take(4, "the mark");
  version_ = cursor.number<std::uint32_t>("the version");
  if ((version_ & 0xFFFFU) == 0 && version_ != 0) {
    raise("{}: expected a GGUF file of little-endian numbers, found one of big-endian ones", path_);
  }
  if (version_ < 2 || version_ > 3) {
    raise(
        "{}: expected version 2 or 3 of GGUF, found {}; hint: convert the model with a current "
        "llama.cpp",
        path_, version_);
  }
  const auto tensors = cursor.number<std::uint64_t>("the number of tensors");
  const auto keys = cursor.number<std::uint64_t>("the number of keys");
  read_metadata(cursor, keys);
  read_tensors(cursor, tensors);
}

POSTTRAIN_INLINE void GgufFile::read_metadata(Cursor& cursor, std::uint64_t count) {
  constexpr std::uint64_t kSmallest = 8 + 1 + 4 + 1;  // name's length, name, type, value
  if (count > cursor.left() / kSmallest) {
    raise("{}: {} keys do not fit the {} bytes of the file; hint: is it complete?", path_, count,
          cursor.left());
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = cursor.name("a key");
    GgufValue value = cursor.value(key);
    const auto [entry, is_new] = metadata_.emplace(std::move(key), value);
    if (!is_new) raise("{}: key '{}' occurs twice", path_, entry->first);
  }
}

POSTTRAIN_INLINE void GgufFile::read_tensors(Cursor& cursor, std::uint64_t count) {
  constexpr std::uint64_t kSmallest = 8 + 1 + 4 + 8 + 4 + 8;  // name, dimensions, type, offset
  if (count > cursor.left() / kSmallest) {
    raise("{}: {} tensors do not fit the {} bytes of the file; hint: is it complete?", path_, count,
          cursor.left());
  }
  struct Place {
    std::uint64_t offset, bytes;
  };
  std::vector<Place> places;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    GgufTensor& tensor = tensors_.emplace_back();
    tensor.name = cursor.name("the name of a tensor");
    if (!names.insert(tensor.name).second) {
      raise("{}: tensor '{}' occurs twice", path_, tensor.name);
    }
    const auto dimensions = cursor.number<std::uint32_t>("the dimensions of a tensor");
    if (dimensions < 1 || dimensions > detail::kMostGgufDimensions) {
      raise("{}: tensor '{}': expected 1 to {} dimensions, got {}", path_, tensor.name,
            detail::kMostGgufDimensions, dimensions);
    }
    std::uint64_t values = 1;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      const auto size = cursor.number<std::uint64_t>("the shape of a tensor");
      // No more values than a tensor of 2^60 bytes has: products of them cannot overflow.
      if (size > (std::uint64_t{1} << 60U) || __builtin_mul_overflow(values, size, &values) ||
          values > (std::uint64_t{1} << 60U)) {
        raise("{}: tensor '{}': expected at most 2^60 values, got a dimension of {}", path_,
              tensor.name, size);
      }
      tensor.shape.push_back(static_cast<std::int64_t>(size));
    }
    const auto number = cursor.number<std::uint32_t>("the type of a tensor");
    const GgufTypeInfo* info = find_gguf_type(number);
    if (info == nullptr) {
      std::vector<std::string_view> known;
      for (const GgufTypeInfo& type : kGgufTypes) known.push_back(type.name);
      raise("{}: tensor '{}' has the type {}, which is not supported; hint: types are {}", path_,
            tensor.name, number, join(known, ", "));
    }
    tensor.type = info->type;
    if (tensor.shape.front() % info->block != 0) {
      raise("{}: tensor '{}': expected rows of a multiple of {} values, as {} has them, got {}",
            path_, tensor.name, info->block, info->name, tensor.shape.front());
    }
    std::ranges::reverse(tensor.shape);
    const auto offset = cursor.number<std::uint64_t>("the offset of a tensor");
    places.push_back({offset, values / static_cast<std::uint64_t>(info->block) *
                                  static_cast<std::uint64_t>(info->bytes)});
  }

  std::uint64_t alignment = 32;
  if (const auto entry = metadata_.find("general.alignment"); entry != metadata_.end()) {
    const auto given =
        detail::gguf_integer(entry->second.type, entry->second.bytes.data()).value_or(0);
    if (given < 1 || !std::has_single_bit(static_cast<std::uint64_t>(given)) ||
        static_cast<std::uint64_t>(given) > detail::kLargestGgufAlignment) {
      raise("{}: key 'general.alignment': expected a power of two up to 2^30, got {}", path_,
            given);
    }
    alignment = static_cast<std::uint64_t>(given);
  }
  const auto padded = [&](std::uint64_t size) { return (size + alignment - 1) & ~(alignment - 1); };
  const std::uint64_t data = padded(cursor.position()), size = map_->bytes().size();
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Place& place = places[i];
    if (place.offset != expected) {
      raise(
          "{}: tensor '{}' begins at byte {} of the data, expected {}: tensors overlap or leave a "
          "hole",
          path_, tensors_[i].name, place.offset, expected);
    }
    // All of them are at most the file's size, so that no sum overflows.
    if (data > size || place.bytes > size - data || place.offset > size - data - place.bytes) {
      raise("{}: tensor '{}' is said to lie at bytes [{}, {}) of {}; hint: is the file complete?",
            path_, tensors_[i].name, data + place.offset, data + place.offset + place.bytes, size);
    }
    tensors_[i].bytes = map_->bytes().subspan(data + place.offset, place.bytes);
    expected = padded(place.offset + place.bytes);
  }
}

POSTTRAIN_INLINE GgufModel::GgufModel(const fs::path& path) {
  add(path);
  if (integer("split.count", 1) != 1) add_parts(path);
}

POSTTRAIN_INLINE const GgufFile& GgufModel::add(const fs::path& path) {
  files_.push_back(std::make_unique<GgufFile>(path));
  const GgufFile& file = *files_.back();
  for (const GgufTensor& tensor : file.tensors()) {
    const auto [found, is_new] = tensors_.emplace(tensor.name, Entry{&tensor, &file});
    if (!is_new) {
      raise("tensor '{}' lies in {} and in {}", tensor.name, found->second.file->path(),
            file.path());
    }
  }
  return file;
}

POSTTRAIN_INLINE void GgufModel::add_parts(const fs::path& path) {
  const std::int64_t count = integer("split.count"), own = integer("split.no");
  constexpr std::int64_t kMostParts = 99999;
  if (count < 1 || count > kMostParts || own < 0 || own >= count) {
    raise("{}: expected split.no below split.count, at most {}, got {} and {}", this->path(),
          kMostParts, own, count);
  }
  const auto ending = [&](std::int64_t part) {
    return fmt::format("-{:05d}-of-{:05d}.gguf", part + 1, count);
  };
  const std::string name = path.filename().string();
  if (!name.ends_with(ending(own))) {
    raise("{}: is part {} of {} and should be called '…{}', so that the others are found",
          this->path(), own + 1, count, ending(own));
  }
  const std::string stem = name.substr(0, name.size() - ending(own).size());
  files_.clear();
  tensors_.clear();
  for (std::int64_t part = 0; part < count; ++part) {
    const fs::path file = path.parent_path() / (stem + ending(part));
    std::error_code error;
    if (!fs::exists(file, error)) {
      raise("{}: is not there, part {} of {}; hint: is the download complete?", file.string(),
            part + 1, count);
    }
    const auto& found = add(file).metadata();
    const auto has = [&](const char* key, std::int64_t value) {
      const auto entry = found.find(key);
      return entry != found.end() &&
             detail::gguf_integer(entry->second.type, entry->second.bytes.data()) == value;
    };
    if (!has("split.no", part) || !has("split.count", count)) {
      raise("{}: expected split.no {} and split.count {}, as its name says", file.string(), part,
            count);
    }
  }
  const auto total = integer("split.tensors.count", static_cast<std::int64_t>(tensors_.size()));
  if (total != static_cast<std::int64_t>(tensors_.size())) {
    raise("{}: expected {} tensors in all parts (split.tensors.count), found {}", this->path(),
          total, tensors_.size());
  }
}

POSTTRAIN_INLINE void GgufModel::raise_missing(std::string_view key, std::string_view kind) const {
  raise("{}: missing key '{}', {}", path(), key, kind);
}

POSTTRAIN_INLINE void GgufModel::raise_kind(std::string_view key, std::string_view kind) const {
  raise("{}: key '{}': expected {}, got {}", path(), key, kind,
        detail::shown(metadata().find(key)->second));
}

template <class T, class Read>
T GgufModel::value(std::string_view key, std::string_view kind, std::optional<T> otherwise,
                   Read read) const {
  const auto entry = metadata().find(key);
  if (entry == metadata().end()) {
    if (!otherwise) raise_missing(key, kind);
    return *std::move(otherwise);
  }
  std::optional<T> value = read(entry->second);
  if (!value) raise_kind(key, kind);
  return *std::move(value);
}

POSTTRAIN_INLINE std::int64_t GgufModel::integer(std::string_view key,
                                                 std::optional<std::int64_t> otherwise) const {
  return value<std::int64_t>(key, "a whole number", otherwise, [](const GgufValue& value) {
    return detail::gguf_integer(value.type, value.bytes.data());
  });
}

POSTTRAIN_INLINE double GgufModel::number(std::string_view key,
                                          std::optional<double> otherwise) const {
  return value<double>(key, "a finite number", otherwise, [](const GgufValue& value) {
    return detail::gguf_number(value.type, value.bytes.data());
  });
}

POSTTRAIN_INLINE bool GgufModel::boolean(std::string_view key,
                                         std::optional<bool> otherwise) const {
  return value<bool>(key, "true or false", otherwise, [](const GgufValue& value) {
    return value.type == GgufValueType::kBool ? std::optional(value.bytes[0] != std::byte{0})
                                              : std::nullopt;
  });
}

POSTTRAIN_INLINE std::string GgufModel::text(std::string_view key,
                                             std::optional<std::string> otherwise) const {
  return value<std::string>(key, "a text in UTF-8", std::move(otherwise),
                            [](const GgufValue& value) -> std::optional<std::string> {
                              std::string found(reinterpret_cast<const char*>(value.bytes.data()),
                                                value.bytes.size());
                              if (value.type != GgufValueType::kText || !text::is_valid_utf8(found))
                                return std::nullopt;
                              return found;
                            });
}

POSTTRAIN_INLINE GgufValue GgufModel::array(std::string_view key, std::string_view kind,
                                            bool of_texts) const {
  return value<GgufValue>(key, kind, std::nullopt,
                          [&](const GgufValue& value) -> std::optional<GgufValue> {
                            if (value.type != GgufValueType::kArray) return std::nullopt;
                            if ((value.element == GgufValueType::kText) != of_texts)
                              return std::nullopt;
                            return value;
                          });
}

template <class T, class Read>
std::vector<T> GgufModel::values(std::string_view key, std::string_view kind, Read read) const {
  const GgufValue list = array(key, kind, /*of_texts=*/false);
  const std::size_t size = detail::gguf_value_size(list.element);
  std::vector<T> values;
  values.reserve(list.count);
  for (std::uint64_t i = 0; i < list.count; ++i) {
    const std::optional<T> value = read(list.element, list.bytes.data() + i * size);
    if (!value) raise_kind(key, kind);
    values.push_back(*value);
  }
  return values;
}

POSTTRAIN_INLINE std::vector<std::int64_t> GgufModel::integers(std::string_view key) const {
  return values<std::int64_t>(key, "an array of whole numbers", detail::gguf_integer);
}

POSTTRAIN_INLINE std::vector<double> GgufModel::numbers(std::string_view key) const {
  return values<double>(key, "an array of finite numbers", detail::gguf_number);
}

POSTTRAIN_INLINE std::vector<std::string_view> GgufModel::texts(std::string_view key) const {
  const GgufValue list = array(key, "an array of texts", /*of_texts=*/true);
  std::vector<std::string_view> values;
  values.reserve(list.count);
  const std::byte* at = list.bytes.data();  // lengths were checked when the file was opened
  for (std::uint64_t i = 0; i < list.count; ++i) {
    const auto length = detail::gguf_load<std::uint64_t>(at);
    values.emplace_back(reinterpret_cast<const char*>(at) + sizeof length, length);
    at += sizeof length + length;
  }
  return values;
}

}  // namespace posttrain::io
