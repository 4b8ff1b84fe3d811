// SPDX-License-Identifier: Apache-2.0
// Definitions of stored_state.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/trainer/stored_state.hpp"

namespace posttrain {

namespace detail {

inline constexpr std::string_view kStateFile = "state.safetensors";

/// A tensor's name in a file: of a slice, with its elements.
inline std::string name_in_file(const NamedSlice& slice) {
  if (!slice.is_part()) return slice.name;
  return fmt::format("{}[{}:{}]", slice.name, slice.begin, slice.begin + slice.value.numel());
}

/// Writes tensors of a checkpoint; returns their hashes by name. A tensor on a device is copied to
/// the host once for both.
inline Json write_file(const io::fs::path& path, const std::vector<NamedSlice>& tensors) {
  std::vector<io::TensorInfo> entries;
  for (const NamedSlice& slice : tensors) {
    entries.push_back(io::tensor_info(name_in_file(slice), slice.value));
  }
  Json hashes = Json::object();
  ContentHash hash;  // of the tensor that is being written
  std::optional<ContentHash::Parts> values;
  io::write_tensors(
      path, entries, [&](std::size_t i) { return tensors[i].value; }, {{"format", "pt"}},
      [&](std::size_t i, std::int64_t begin, std::span<const std::byte> bytes) {
        const Tensor& value = tensors[i].value;
        const std::string& name = entries[i].name;
        const std::size_t size = value.nbytes();
        if (begin == 0) {
          hash = ContentHash();
          hash.add(name);
          add_form(hash, value.scalar_type(), value.sizes());
          values.emplace(hash, size);
        }
        values->add(bytes);
        if (static_cast<std::size_t>(begin) + bytes.size() == size) hashes[name] = hash.text();
      });
  return hashes;
}

/// Writes this rank's slices, the first rank also what is whole, into a file of its own; returns,
/// on every rank, the record's part about all of them. Throws where a rank cannot write.
inline Json write_slices(const io::fs::path& folder, const std::vector<NamedSlice>& tensors,
                         const Team& team) {
  std::vector<NamedSlice> own;
  Json sizes = Json::object();
  std::set<std::string_view> whole;
  for (const NamedSlice& slice : tensors) {
    if (slice.is_part()) sizes[slice.name] = slice.whole;
    const bool writes =
        slice.is_part() ? slice.value.numel() > 0 : team.leads() && whole.insert(slice.name).second;
    if (writes) own.push_back(slice);
  }
  const auto file_of = [&](std::int64_t rank) {
    return fmt::format("state-{}-of-{}.safetensors", rank, team.size());
  };
  const std::vector<std::string> texts =
      team.of_each([&] { return write_file(folder / file_of(team.rank()), own).dump(); });
  Json written = {{"files", Json::array()}, {"sizes", std::move(sizes)}};
  for (std::int64_t rank = 0; rank < team.size(); ++rank) {
    written["files"].push_back(file_of(rank));
    written["tensors"].update(io::parse_json(texts[static_cast<std::size_t>(rank)], "hashes"));
  }
  return written;
}

}  // namespace detail

POSTTRAIN_INLINE Json StoredState::write(const io::fs::path& folder,
                                         const std::vector<NamedSlice>& tensors, const Team& team) {
  if (std::ranges::any_of(tensors, &NamedSlice::is_part)) {
    return detail::write_slices(folder, tensors, team);
  }
  return {{"tensors", detail::write_file(folder / detail::kStateFile, tensors)}};
}

POSTTRAIN_INLINE StoredState::StoredState(const io::fs::path& folder, const Json& record) {
  std::vector<std::string> names{std::string(detail::kStateFile)};
  if (record.contains("files")) names = record.at("files").get<std::vector<std::string>>();
  const Json& hashes = record.at("tensors");
  std::size_t found = 0;
  for (const std::string& name : names) {
    const io::SafetensorsFile& file =
        *files_.emplace_back(std::make_unique<io::SafetensorsFile>(folder / name));
    for (const io::TensorView& tensor : file.tensors()) {
      const auto expected = hashes.find(tensor.name);
      ContentHash hash;
      io::add_content(hash, tensor, file);
      if (expected == hashes.end() || *expected != hash.text()) {
        raise("{}: tensor '{}': its content differs from its hash", file.path(), tensor.name);
      }
      add(tensor, file);
      ++found;
    }
  }
  if (found != hashes.size()) {
    raise("{}: expected {} tensors, found {}", (folder / names.front()).string(), hashes.size(),
          found);
  }
  if (record.contains("sizes")) {
    for (const auto& [name, size] : record.at("sizes").items()) sizes_[name] = size;
  }
  for (auto& [name, pieces] : pieces_) put_in_order(folder, name, pieces);
}

POSTTRAIN_INLINE void StoredState::check(const std::vector<NamedSlice>& tensors) const {
  std::set<std::string_view> names;
  for (const NamedSlice& tensor : tensors) names.insert(tensor.name);
  if (names.size() != pieces_.size()) {
    raise(
        "{}: expected {} tensors, found {}; hint: the checkpoint is of another model or other "
        "parameters",
        files_.front()->path(), names.size(), pieces_.size());
  }
  for (const NamedSlice& tensor : tensors) {
    const auto found = pieces_.find(tensor.name);
    if (found == pieces_.end()) {
      raise(
          "{}: expected a tensor '{}', found none; hint: the checkpoint is of another model or "
          "other parameters",
          files_.front()->path(), tensor.name);
    }
    const std::vector<std::int64_t> shape = shape_of(tensor.name);
    const std::vector<std::int64_t> own =
        tensor.is_part() ? std::vector<std::int64_t>{tensor.whole} : tensor.value.sizes().vec();
    if (shape != own) {
      raise(
          "{}: tensor '{}': expected shape {}, found {}; hint: the checkpoint is of another "
          "model or other parameters",
          found->second.front().file->path(), tensor.name, io::format_shape(own),
          io::format_shape(shape));
    }
  }
}

POSTTRAIN_INLINE void StoredState::read(const NamedSlice& tensor) const {
  Tensor target = tensor.value;
  const std::vector<Piece>& pieces = pieces_.at(tensor.name);
  if (!tensor.is_part() && !pieces.front().cut) {
    target.copy_(io::to_tensor(*pieces.front().view, *pieces.front().file));
    return;
  }
  for (const Piece& piece : pieces) {
    const std::int64_t begin = std::max(piece.begin, tensor.begin);
    const std::int64_t end = std::min(piece.end, tensor.begin + target.numel());
    if (begin >= end) continue;
    target.narrow(0, begin - tensor.begin, end - begin)
        .copy_(io::to_tensor(*piece.view, *piece.file).narrow(0, begin - piece.begin, end - begin));
  }
}

POSTTRAIN_INLINE void StoredState::add(const io::TensorView& tensor,
                                       const io::SafetensorsFile& file) {
  std::string_view name = tensor.name;
  const std::size_t open = name.rfind('['), colon = name.rfind(':');
  std::int64_t size = 1;
  for (const std::int64_t extent : tensor.shape) size *= extent;
  Piece piece{&tensor, &file, 0, size};
  if (name.ends_with(']') && open < colon && colon != std::string_view::npos) {
    piece.begin = detail::to_number(name.substr(open + 1, colon - open - 1));
    piece.end = piece.begin + size;
    piece.cut = true;
    name = name.substr(0, open);
  }
  pieces_[std::string(name)].push_back(piece);
}

POSTTRAIN_INLINE void StoredState::put_in_order(const io::fs::path& folder, const std::string& name,
                                                std::vector<Piece>& pieces) const {
  if (pieces.size() == 1 && !pieces.front().cut) return;
  std::ranges::sort(pieces, {}, &Piece::begin);
  std::int64_t next = 0;
  for (const Piece& piece : pieces) {
    if (piece.begin != next) break;
    next = piece.end;
  }
  const auto size = sizes_.find(name);
  if (size == sizes_.end() || next != size->second) {
    raise("{}: slices of '{}' are missing: expected {} elements, found {} from the first on",
          folder.string(), name, size == sizes_.end() ? 0 : size->second, next);
  }
}

POSTTRAIN_INLINE std::vector<std::int64_t> StoredState::shape_of(const std::string& name) const {
  const std::vector<Piece>& pieces = pieces_.at(name);
  if (!pieces.front().cut) return pieces.front().view->shape;
  return {sizes_.at(name)};
}

}  // namespace posttrain
