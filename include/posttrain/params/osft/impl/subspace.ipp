// SPDX-License-Identifier: Apache-2.0
// Definitions of subspace.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/tensor/content.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

/// The singular vectors of a matrix's shorter side, in falling order, in float64.
struct ShortSide {
  Tensor tall;     // W, or Wᵀ where in > rows: [long, short]
  Tensor values;   // squares of the singular values [short]
  Tensor vectors;  // [short, short]

  explicit ShortSide(const Tensor& w) {
    const Tensor wide = w.to(at::kDouble);
    tall = w.size(0) >= w.size(1) ? wide : wide.t();
    // LAPACK's are rising.
    const auto [rising, columns] = at::linalg_eigh(tall.t().matmul(tall));
    values = rising.flip({0});
    vectors = columns.flip({1});
  }
  Tensor leading(std::int64_t rank) const { return vectors.narrow(1, 0, rank); }
  Tensor trailing(std::int64_t rank) const {
    return vectors.narrow(1, rank, vectors.size(1) - rank);
  }

  Complement short_complement(std::int64_t rank, at::ScalarType type) const {
    if (Complement::is_explicit(vectors.size(0), rank)) {
      return Complement::spanned_by(trailing(rank), type);
    }
    return Complement::of(leading(rank), type);
  }

  /// Complement on the longer side. Where W is square its vectors are W times those of the other
  /// side over the singular values: orthonormal up to ε λ₁ / λₙ, which must be far below the
  /// rounding of `type`.
  Complement long_complement(std::int64_t rank, at::ScalarType type) const {
    const std::int64_t n = tall.size(0), shorter = vectors.size(0);
    if (n == shorter && Complement::is_explicit(n, rank) && type != at::kDouble &&
        values[n - 1].item<double>() > 1e-7 * values[0].item<double>()) {
      const Tensor scale = values.narrow(0, rank, n - rank).rsqrt();
      return Complement::spanned_by(tall.matmul(trailing(rank)).mul_(scale), type);
    }
    return Complement::of(tall.matmul(leading(rank)), type);
  }
};

}  // namespace detail

POSTTRAIN_INLINE LeadingDirections leading_directions(const Tensor& w, std::int64_t rank) {
  at::NoGradGuard no_grad;
  const std::int64_t rows = w.size(0), in = w.size(1), shorter = std::min(rows, in);
  if (rank < 0 || rank > shorter) {
    raise("expected a rank from 0 to {}, got {}", shorter, rank);
  }
  if (rank == 0) {
    const auto exact = w.options().dtype(at::kDouble);
    return {at::empty({rows, 0}, exact), at::empty({in, 0}, exact)};
  }
  const detail::ShortSide side(w);
  const Tensor of_short = side.leading(rank), of_long = side.tall.matmul(of_short);
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
  at::NoGradGuard no_grad;
  const std::int64_t rows = w.size(0), in = w.size(1), shorter = std::min(rows, in);
  if (rank < 0 || rank > shorter) {
    raise("expected a rank from 0 to {}, got {}", shorter, rank);
  }
  if (rank == 0) return {Complement::whole(rows), Complement::whole(in)};
  const detail::ShortSide side(w);
  Complement of_short = side.short_complement(rank, type);
  Complement of_long = side.long_complement(rank, type);
  if (rows >= in) return {std::move(of_long), std::move(of_short)};
  return {std::move(of_short), std::move(of_long)};
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
  ContentHash hash;
  add_content(hash, tensor);
  return hash.text();
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
