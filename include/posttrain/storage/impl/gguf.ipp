// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <type_traits>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

/// The key of the type's number.
inline constexpr const char* kGgufTypeKey = "gguf_type";

/// Values in a piece: a multiple of every block.
inline constexpr std::int64_t kGgufPiece = 4096;

/// run(first, count) for pieces of whole blocks, on all threads; `first` and `count` in values.
template <class Run>
void for_gguf_pieces(std::int64_t numel, const Run& run) {
  const std::int64_t pieces = (numel + kGgufPiece - 1) / kGgufPiece;
  at::parallel_for(0, pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      run(i * kGgufPiece, std::min(kGgufPiece, numel - i * kGgufPiece));
    }
  });
}

template <class Span>
Span gguf_bytes(const io::GgufTypeInfo& info, Span bytes, std::int64_t first, std::int64_t count) {
  return bytes.subspan(static_cast<std::size_t>(first / info.block * info.bytes),
                       static_cast<std::size_t>(count / info.block * info.bytes));
}

}  // namespace detail

POSTTRAIN_INLINE void dequantize_gguf(GgufType type, std::span<const std::byte> blocks,
                                      const Tensor& out) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  const bool kernel = detail::has_cpu_kernel(out) && out.is_contiguous();
  const Tensor dense = kernel ? out : at::empty(out.sizes(), at::kFloat);
  detail::with_element_type(dense, [&](auto element) {
    auto* values = dense.mutable_data_ptr<decltype(element)>();
    detail::for_gguf_pieces(dense.numel(), [&](std::int64_t first, std::int64_t count) {
      const auto from = detail::gguf_bytes(info, blocks, first, count);
      const auto size = static_cast<std::size_t>(count);
      if constexpr (std::is_same_v<decltype(element), float>) {
        dequantize_gguf(type, from, std::span(values + first, size));
      } else {
        float exact[detail::kGgufPiece];
        dequantize_gguf(type, from, std::span(exact, size));
        for (std::int64_t i = 0; i < count; ++i) values[first + i] = exact[i];
      }
    });
  });
  if (!kernel) out.copy_(uploaded(dense, out.device()));
}

POSTTRAIN_INLINE void quantize_gguf(GgufType type, const Tensor& values, std::span<std::byte> out) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  const Tensor exact = values.detach().to(at::kCPU, at::kFloat).contiguous();
  if (!at::isfinite(exact).all().item<bool>()) raise("quantize_gguf expected finite values");
  const auto* from = exact.const_data_ptr<float>();
  detail::for_gguf_pieces(exact.numel(), [&](std::int64_t first, std::int64_t count) {
    quantize_gguf(type, std::span(from + first, static_cast<std::size_t>(count)),
                  detail::gguf_bytes(info, out, first, count));
  });
}

POSTTRAIN_INLINE GgufMatrix Gguf::store(const Tensor& w) const {
  at::NoGradGuard no_grad;
  if (w.dim() != 2) raise("Gguf expected a matrix to store, got {}", shape_text(w));
  const bool whole = w.size(1) % io::gguf_type_info(type).block == 0;
  GgufMatrix matrix{whole ? type : GgufType::kF16, w.size(0), w.size(1), Tensor()};
  const io::GgufTypeInfo& info = io::gguf_type_info(matrix.type);
  matrix.blocks = at::empty({w.size(0), w.size(1) / info.block * info.bytes}, at::kByte);
  quantize_gguf(matrix.type, w,
                {static_cast<std::byte*>(matrix.blocks.mutable_data_ptr()),
                 static_cast<std::size_t>(matrix.blocks.nbytes())});
  return matrix;
}

POSTTRAIN_INLINE PackedTensors pack_gguf(GgufType type, const Tensor& blocks) {
  return {{"", blocks}, {detail::kGgufTypeKey, at::full({}, static_cast<int>(type), at::kInt)}};
}

POSTTRAIN_INLINE std::optional<GgufMatrix> unpack_gguf(const std::string& name,
                                                       const PackedTensors& packed) {
  const auto number = packed.find(detail::kGgufTypeKey);
  if (number == packed.end()) return std::nullopt;
  const io::GgufTypeInfo* info =
      io::find_gguf_type(static_cast<std::uint32_t>(number->second.item<int>()));
  const auto blocks = packed.find("");
  if (info == nullptr || blocks == packed.end() || blocks->second.dim() != 2 ||
      blocks->second.scalar_type() != at::kByte || blocks->second.size(1) % info->bytes != 0) {
    raise("{}: expected a matrix that pack_gguf packed", name);
  }
  const Tensor& rows = blocks->second;
  return GgufMatrix{info->type, rows.size(0), rows.size(1) / info->bytes * info->block,
                    rows.clone(at::MemoryFormat::Contiguous)};
}

POSTTRAIN_INLINE void GgufMatrix::write(const Tensor& out) const {
  at::NoGradGuard no_grad;
  if (out.sizes() != at::IntArrayRef({row_count, columns})) {
    raise("a stored matrix of [{}, {}] expected a tensor of that shape to write, got {}", row_count,
          columns, shape_text(out));
  }
  dequantize_gguf(type,
                  {static_cast<const std::byte*>(blocks.const_data_ptr()),
                   static_cast<std::size_t>(blocks.nbytes())},
                  out);
}

POSTTRAIN_INLINE std::int64_t GgufMatrix::bytes() const {
  return static_cast<std::int64_t>(blocks.nbytes());
}

}  // namespace posttrain
