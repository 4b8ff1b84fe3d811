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
#include "posttrain/tensor/shape_text.hpp"

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

POSTTRAIN_INLINE LeadingDirections leading_directions(const Tensor& w, std::int64_t rank,
                                                      const Tensor& gram) {
  at::NoGradGuard no_grad;
  if (gram.dim() != 2 || gram.size(0) != w.size(1) || gram.size(1) != w.size(1)) {
    raise("expected second moments [{}, {}], got {}", w.size(1), w.size(1), shape_text(gram));
  }
  Tensor g = gram.to(w.device(), at::kDouble).clone();
  g.diagonal().add_(g.diagonal().mean() * 1e-4);
  const auto [values, vectors] = at::linalg_eigh(g);
  const Tensor root = (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());
  LeadingDirections whitened = leading_directions(w.to(at::kDouble).matmul(root), rank);
  whitened.right = root.matmul(whitened.right);
  return whitened;
}

POSTTRAIN_INLINE OsftComplements osft_complements(const Tensor& w, std::int64_t rank,
                                                  at::ScalarType type) {
  const LeadingDirections leading = leading_directions(w, rank);
  return {Complement::of(leading.left, type), Complement::of(leading.right, type)};
}

namespace detail {

/// U itself [n, n − k], in float64.
inline Tensor dense_basis(const Complement& complement, const at::TensorOptions& options) {
  return complement.expand_columns(at::eye(complement.size(), options.dtype(at::kDouble)));
}

/// The complement of a complement: its basis spans the directions.
inline Complement opposite(const Complement& complement, at::ScalarType type) {
  const std::vector<NamedTensor> tensors = complement.tensors();
  const at::TensorOptions options =
      tensors.empty() ? at::TensorOptions() : tensors[0].value.options();
  return Complement::of(dense_basis(complement, options), type);
}

}  // namespace detail

POSTTRAIN_INLINE std::string content_key(const Tensor& tensor) {
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

POSTTRAIN_INLINE OsftComplements cached_osft_complements(const std::string& folder, const Tensor& w,
                                                         std::int64_t rank, at::ScalarType type) {
  if (rank == 0) return osft_complements(w, rank, type);  // nothing to compute
  using Side = std::pair<const char*, Complement OsftComplements::*>;
  const Side sides[] = {{"left.", &OsftComplements::left}, {"right.", &OsftComplements::right}};
  const io::fs::path entry =
      io::fs::path(folder) / fmt::format("{}-{}x{}-{}-{}", content_key(w), w.size(0), w.size(1),
                                         rank, c10::toString(type));
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

POSTTRAIN_INLINE std::vector<OsftTerm> osft_terms(OsftComplements& kept, OsftProjection projection,
                                                  at::ScalarType type) {
  const Complement whole_left = Complement::whole(kept.left.n());
  const Complement whole_right = Complement::whole(kept.right.n());
  if (projection == OsftProjection::input_only) kept.left = whole_left;
  const auto& [left, right] = kept;
  if (projection != OsftProjection::joint || right.k() == 0) return {{"core", left, right}};
  // The wide basis is that of the shorter side.
  if (left.n() >= right.n()) {
    return {{"core", whole_left, right}, {"cross", left, detail::opposite(right, type)}};
  }
  return {{"core", left, whole_right}, {"cross", detail::opposite(left, type), right}};
}

POSTTRAIN_INLINE Tensor protected_basis(const Complement& complement) {
  at::NoGradGuard no_grad;
  const std::vector<NamedTensor> tensors = complement.tensors();
  if (tensors.empty()) return at::empty({complement.n(), 0}, at::kDouble);
  return detail::dense_basis(detail::opposite(complement, at::kDouble), tensors[0].value.options());
}

POSTTRAIN_INLINE OsftComplements nested_complements(const Tensor& w, const OsftComplements& earlier,
                                                    std::int64_t rank, at::ScalarType type) {
  at::NoGradGuard no_grad;
  const auto& [left, right] = earlier;
  const std::int64_t before = std::max(left.k(), right.k());
  if (rank < before) {
    raise("expected at least the {} directions that earlier tasks protect, got {}", before, rank);
  }
  const Tensor free = left.project_columns(right.project_rows(w.to(at::kDouble)));
  const LeadingDirections leading = leading_directions(free, rank - before);
  const auto together = [&](const Complement& old, const Tensor& more) {
    if (old.k() < before) return Complement::whole(old.n());  // a side that is not protected
    const Tensor found = old.expand_columns(more);
    return Complement::of(at::cat({protected_basis(old).to(found.device()), found}, 1), type);
  };
  return {together(left, leading.left), together(right, leading.right)};
}

}  // namespace posttrain
