// SPDX-License-Identifier: Apache-2.0
// Definitions of communicator.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

POSTTRAIN_INLINE void Communicator::count(const Tensor& tensor, const char* operation) {
  if (!tensor.defined() || !tensor.is_contiguous()) {
    raise("expected a contiguous tensor for {}, got {}", operation,
          tensor.defined() ? shape_text(tensor) : "none");
  }
  traffic_.calls += 1;
  traffic_.bytes += static_cast<std::int64_t>(tensor.nbytes());
}

POSTTRAIN_INLINE Tensor Communicator::piece_of(const Tensor& whole) const {
  const std::int64_t n = whole.numel() / size();
  return whole.narrow(0, rank() * n, n);
}

POSTTRAIN_INLINE Pending Communicator::all_reduce(const Tensor& tensor, Reduction reduction) {
  count(tensor, "all_reduce");
  return begin_all_reduce(tensor.view({-1}), reduction);
}

POSTTRAIN_INLINE Pending Communicator::reduce_scatter(const Tensor& part, const Tensor& whole) {
  count(whole, "reduce_scatter");
  if (!part.is_contiguous() || part.numel() * size() != whole.numel() ||
      part.scalar_type() != whole.scalar_type()) {
    raise("expected parts of {} elements of {} for {} ranks, got {}", whole.numel() / size(),
          shape_text(whole), size(), shape_text(part));
  }
  return begin_reduce_scatter(part.view({-1}), whole.view({-1}));
}

POSTTRAIN_INLINE Pending Communicator::all_gather(const Tensor& whole, const Tensor& part) {
  count(part, "all_gather");
  if (!whole.is_contiguous() || part.numel() * size() != whole.numel() ||
      part.scalar_type() != whole.scalar_type()) {
    raise("expected room for {} elements from {} ranks, got {}", part.numel() * size(), size(),
          shape_text(whole));
  }
  return begin_all_gather(whole.view({-1}), part.view({-1}));
}

POSTTRAIN_INLINE Pending Communicator::broadcast(const Tensor& tensor, std::int64_t from) {
  count(tensor, "broadcast");
  if (from < 0 || from >= size()) raise("expected a rank below {}, got {}", size(), from);
  return begin_broadcast(tensor.view({-1}), from);
}

POSTTRAIN_INLINE void Communicator::barrier() { all_reduce(at::zeros({1}, at::kLong)).wait(); }

POSTTRAIN_INLINE std::vector<std::string> Communicator::all_texts(std::string_view own) {
  if (size() == 1) return {std::string(own)};
  const Tensor lengths = at::empty({size()}, at::kLong);
  all_gather(lengths, at::full({1}, static_cast<std::int64_t>(own.size()), at::kLong)).wait();
  const std::int64_t* length = lengths.const_data_ptr<std::int64_t>();
  // Parts of a gather have one size.
  const std::int64_t longest =
      std::max<std::int64_t>(1, *std::max_element(length, length + size()));
  const Tensor part = at::zeros({longest}, at::kByte),
               whole = at::empty({size(), longest}, at::kByte);
  if (!own.empty()) std::memcpy(part.mutable_data_ptr(), own.data(), own.size());
  all_gather(whole, part).wait();
  std::vector<std::string> texts;
  const auto* bytes = reinterpret_cast<const char*>(whole.const_data_ptr<std::uint8_t>());
  for (std::int64_t rank = 0; rank < size(); ++rank) {
    texts.emplace_back(bytes + rank * longest, static_cast<std::size_t>(length[rank]));
  }
  return texts;
}

POSTTRAIN_INLINE Pending Single::begin_all_reduce(const Tensor&, Reduction) { return {}; }
POSTTRAIN_INLINE Pending Single::begin_broadcast(const Tensor&, std::int64_t) { return {}; }
POSTTRAIN_INLINE Pending Single::begin_reduce_scatter(const Tensor& part, const Tensor& whole) {
  if (!part.is_alias_of(whole)) part.copy_(whole);
  return {};
}
POSTTRAIN_INLINE Pending Single::begin_all_gather(const Tensor& whole, const Tensor& part) {
  if (!part.is_alias_of(whole)) whole.copy_(part);
  return {};
}

}  // namespace posttrain
