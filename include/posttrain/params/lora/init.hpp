// SPDX-License-Identifier: Apache-2.0
// First values of LoRA's factors (params/lora/options.hpp says which is which).
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "posttrain/base/rng.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::lora_init {

template <class Draw>
void fill_(Tensor& target, std::uint64_t seed, std::string_view name, Draw draw) {
  Tensor drawn = at::empty(target.sizes(), at::kDouble);
  Philox4x32 generator(seed, stream_of(name));
  double* values = drawn.data_ptr<double>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i) values[i] = draw(generator);
  target.copy_(drawn);
}

inline void uniform_(Tensor& target, double bound, std::uint64_t seed, std::string_view name) {
  fill_(target, seed, name,
        [bound](Philox4x32& generator) { return (2.0 * generator.uniform() - 1.0) * bound; });
}

inline void normal_(Tensor& target, double deviation, std::uint64_t seed, std::string_view name) {
  fill_(target, seed, name,
        [deviation](Philox4x32& generator) { return generator.normal() * deviation; });
}

/// (A, B) = (R[:r], Q[:, :r]) of W = Q R.
inline std::pair<Tensor, Tensor> qr(const Tensor& w, std::int64_t rank) {
  const auto [q, r] = at::linalg_qr(w);
  return {r.narrow(0, 0, rank), q.narrow(1, 0, rank)};
}

/// The r largest singular directions of W / scale, the root of each value on either side.
inline std::pair<Tensor, Tensor> principal(const Tensor& w, std::int64_t rank, double scale) {
  const auto [u, s, vh] = at::linalg_svd(w, /*full_matrices=*/false);
  const Tensor root = (s.narrow(0, 0, rank) / scale).sqrt();
  return {root.unsqueeze(1) * vh.narrow(0, 0, rank), u.narrow(1, 0, rank) * root};
}

/// ‖w‖ of each row.
inline Tensor row_norms(const Tensor& w) { return at::linalg_vector_norm(w, 2, {1}); }

}  // namespace posttrain::lora_init
