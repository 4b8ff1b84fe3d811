// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf_tensors.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/gguf_tensors.hpp"
#include "posttrain/models/gguf/head_rows.hpp"
#include "posttrain/models/layout.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/tensor/content.hpp"

namespace posttrain::hub {

namespace detail {

/// The file's type where a checkpoint has it as well, else fp32.
inline io::Dtype loaded_dtype(io::GgufType type) {
  return type == io::GgufType::kF16    ? io::Dtype::kF16
         : type == io::GgufType::kBF16 ? io::Dtype::kBF16
                                       : io::Dtype::kF32;
}

/// The values of a tensor in the shape of the file.
inline Tensor dense(const io::GgufTensor& tensor) {
  const io::Dtype dtype = loaded_dtype(tensor.type);
  Tensor out = at::empty(tensor.shape, at::TensorOptions().dtype(*io::scalar_type(dtype)));
  if (dtype == io::Dtype::kF32) {
    dequantize_gguf(tensor.type, tensor.bytes, out);
  } else if (!tensor.bytes.empty()) {
    std::memcpy(out.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
  }
  return out;
}

}  // namespace detail

POSTTRAIN_INLINE GgufTensors::GgufTensors(std::shared_ptr<const io::GgufModel> model,
                                          const models::DecoderConfig& config)
    : model_(std::move(model)) {
  models::DecoderConfig shown = config;
  // Each layer has tensors of its own: of more layers than tensors, one is missing soon enough.
  shown.layers.resize(std::min(shown.layers.size(), model_->tensors().size() + 1));
  const Layout layout = models::decoder_layout(shown).layout;
  std::set<std::string, std::less<>> used;
  const auto add_if_there = [&](const std::string& name) {
    const auto how = models::gguf_place(config, name);
    if (!how || model_->find(how->name) == nullptr) return;
    add(name, *how);
    used.insert(how->name);
  };
  for (const TableSpec& table : layout.tables) add_if_there(table.name);
  for (const VectorSpec& vector : layout.vectors) add_if_there(vector.name);
  for (const SiteSpec& site : layout.sites) {
    for (const MatrixSpec& part : site.parts) {
      if (site.shares < 0) add_if_there(part.name + ".weight");
      if (site.bias) add_if_there(part.name + ".bias");
    }
  }
  for (const auto& [name, entry] : model_->tensors()) {
    if (!used.contains(name) && !models::is_gguf_factor(name)) add(name, {.name = name});
  }
}

POSTTRAIN_INLINE void GgufTensors::add(const std::string& name, const models::GgufPlace& how) {
  const Place place{*model_->find(how.name), how};
  const io::GgufTensor& tensor = *place.entry.tensor;
  io::TensorInfo info{name, detail::loaded_dtype(tensor.type), tensor.shape};
  if (how.plus_one) info.dtype = io::Dtype::kF32;
  if (how.transposed) std::ranges::reverse(info.shape);
  if (how.paired_heads > 0 && tensor.shape[0] % (2 * how.paired_heads) != 0) {
    raise("{}: tensor '{}': expected {} heads of an even number of rows, got {} rows",
          place.entry.file->path(), how.name, how.paired_heads, tensor.shape[0]);
  }
  entries_.emplace(name, std::move(info));
  places_.emplace(name, place);
}

POSTTRAIN_INLINE Tensor GgufTensors::load(std::string_view name) const {
  at::NoGradGuard no_grad;
  const Place& place = at(name);
  Tensor tensor = detail::dense(*place.entry.tensor);
  place.entry.file->release(*place.entry.tensor);
  if (place.how.paired_heads > 0) tensor = models::unpaired_rows(tensor, place.how.paired_heads);
  if (place.how.plus_one) tensor = tensor.to(at::kFloat).sub(1);
  return place.how.transposed ? tensor.t().contiguous() : tensor;
}

POSTTRAIN_INLINE PackedTensors GgufTensors::load_packed(std::string_view name) const {
  at::NoGradGuard no_grad;
  const Place& place = at(name);
  const io::GgufTensor& tensor = *place.entry.tensor;
  const bool in_blocks = io::gguf_type_info(tensor.type).block > 1 && tensor.shape.size() == 2;
  if (!in_blocks || place.how.plus_one || tensor.bytes.empty()) return {};
  const auto rows = tensor.shape[0];
  // A view of the file: who keeps the matrix copies it, who spreads it reads it once.
  Tensor blocks = at::from_blob(
      const_cast<std::byte*>(tensor.bytes.data()),
      {rows, static_cast<std::int64_t>(tensor.bytes.size()) / rows},
      [model = model_, entry = place.entry](void*) { entry.file->release(*entry.tensor); },
      at::TensorOptions().dtype(at::kByte));
  if (place.how.paired_heads > 0) blocks = models::unpaired_rows(blocks, place.how.paired_heads);
  return pack_gguf(tensor.type, blocks);
}

POSTTRAIN_INLINE bool GgufTensors::same_content(std::string_view a, std::string_view b) const {
  const io::GgufTensor &first = *at(a).entry.tensor, &second = *at(b).entry.tensor;
  return first.type == second.type && first.shape == second.shape &&
         std::ranges::equal(first.bytes, second.bytes);
}

POSTTRAIN_INLINE void GgufTensors::add_content(ContentHash& hash, std::string_view name) const {
  const Place& place = at(name);
  const io::GgufTensor& tensor = *place.entry.tensor;
  hash.add(name);
  hash.add(io::gguf_type_info(tensor.type).name);
  for (const std::int64_t size : tensor.shape) hash.add(static_cast<std::uint64_t>(size));
  hash.add(tensor.bytes);
  place.entry.file->release(tensor);
}

}  // namespace posttrain::hub
