// SPDX-License-Identifier: Apache-2.0
// Definitions of osft_subspace.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/core/rng.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft_subspace.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE LeadingDirections leading_directions(const Tensor& w, std::int64_t rank) {
  at::NoGradGuard no_grad;
  const std::int64_t rows = w.size(0), in = w.size(1), shorter = std::min(rows, in);
  if (rank < 0 || rank > shorter) {
    raise("expected a rank from 0 to {}, got {}", shorter, rank);
  }
  const Tensor wide = w.to(at::kDouble);
  if (rank == 0) return {wide.new_empty({rows, 0}), wide.new_empty({in, 0})};
  const Tensor tall = rows >= in ? wide : wide.t();
  // Rising eigenvalues: the leading vectors are the last.
  const Tensor vectors = std::get<1>(at::linalg_eigh(tall.t().matmul(tall)));
  const Tensor of_short = vectors.narrow(1, shorter - rank, rank).flip({1});
  const Tensor of_long = tall.matmul(of_short);
  if (rows >= in) return {of_long, of_short};
  return {of_short, of_long};
}

POSTTRAIN_INLINE OsftComplements osft_complements(const Tensor& w, std::int64_t rank,
                                                  at::ScalarType type) {
  const LeadingDirections leading = leading_directions(w, rank);
  return {Complement::of(leading.left, type), Complement::of(leading.right, type)};
}

namespace detail {

/// 128 bits of the content, as text: equal for equal tensors, else different for all practice.
inline std::string content_key(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(at::kCPU).contiguous();
  const char* bytes = static_cast<const char*>(host.const_data_ptr());
  const std::size_t size = host.nbytes();
  std::uint64_t a = 0x243f6a8885a308d3, b = 0x13198a2e03707344;
  for (std::size_t at = 0; at < size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, std::min<std::size_t>(8, size - at));
    a = mix_streams(a, word);
    b = mix_streams(word, b);
  }
  return fmt::format("{:016x}{:016x}", a, b);
}

}  // namespace detail

POSTTRAIN_INLINE OsftComplements cached_osft_complements(const std::string& folder, const Tensor& w,
                                                         std::int64_t rank, at::ScalarType type) {
  if (rank == 0) return osft_complements(w, rank, type);  // nothing to compute
  using Side = std::pair<const char*, Complement OsftComplements::*>;
  const Side sides[] = {{"left.", &OsftComplements::left}, {"right.", &OsftComplements::right}};
  const io::fs::path entry =
      io::fs::path(folder) / fmt::format("{}-{}x{}-{}-{}", detail::content_key(w), w.size(0),
                                         w.size(1), rank, c10::toString(type));
  const io::fs::path file = entry / "complements.safetensors";
  OsftComplements result;
  io::recover_folder(entry);
  if (io::fs::exists(file)) {
    const std::map<std::string, Tensor> stored = io::load_tensors(file);
    for (const auto& [prefix, side] : sides) {
      std::vector<NamedTensor> tensors;
      for (const auto& [name, value] : stored) {
        if (name.starts_with(prefix)) tensors.push_back({name, value.to(w.device())});
      }
      result.*side = Complement::restored(
          tensors, side == &OsftComplements::left ? w.size(0) : w.size(1), rank);
    }
    return result;
  }
  result = osft_complements(w, rank, type);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [prefix, side] : sides) {
    for (const NamedTensor& tensor : (result.*side).tensors()) {
      tensors.emplace_back(prefix + tensor.name, tensor.value);
    }
  }
  io::AtomicFolder target(entry);
  io::save_tensors(target.path() / file.filename(), tensors);
  target.commit();
  return result;
}

}  // namespace posttrain
