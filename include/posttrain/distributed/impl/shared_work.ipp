// SPDX-License-Identifier: Apache-2.0
// Definitions of shared_work.hpp, compiled once (base/compiled.hpp).
//
// Tensors travel as the bytes of a text: for each its type (−1: undefined), its dimensions, its
// sizes, all int64, then its elements.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/distributed/shared_work.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parallel_tasks.hpp"

namespace posttrain {

namespace detail {

inline std::string bytes_of(const Tensors& tensors) {
  std::string bytes;
  const auto add = [&](const void* data, std::size_t size) {
    if (size > 0) bytes.append(static_cast<const char*>(data), size);
  };
  const auto number = [&](std::int64_t value) { add(&value, sizeof value); };
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined()) {
      number(-1);
      continue;
    }
    const Tensor plain = tensor.detach().to(at::kCPU).contiguous();
    number(static_cast<std::int64_t>(plain.scalar_type()));
    number(plain.dim());
    for (const std::int64_t size : plain.sizes()) number(size);
    add(plain.const_data_ptr(), plain.nbytes());
  }
  return bytes;
}

inline Tensors tensors_of(std::string_view bytes) {
  const auto take = [&](void* data, std::size_t size) {
    if (size > 0) std::memcpy(data, bytes.data(), size);
    bytes.remove_prefix(size);
  };
  const auto number = [&] {
    std::int64_t value = 0;
    take(&value, sizeof value);
    return value;
  };
  Tensors tensors;
  while (!bytes.empty()) {
    const std::int64_t type = number();
    if (type < 0) {
      tensors.emplace_back();
      continue;
    }
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(number()));
    for (std::int64_t& size : sizes) size = number();
    tensors.push_back(at::empty(sizes, static_cast<at::ScalarType>(type)));
    take(tensors.back().mutable_data_ptr(), tensors.back().nbytes());
  }
  return tensors;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<std::int64_t> owners(std::span<const double> costs,
                                                  std::int64_t ranks) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });
  std::vector<double> load(static_cast<std::size_t>(ranks), 0.0);
  std::vector<std::int64_t> owner(costs.size());
  for (const std::size_t index : order) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += costs[index];
    owner[index] = least - load.begin();
  }
  return owner;
}

POSTTRAIN_INLINE std::vector<Tensors> all_tensors(Communicator& ranks, const Tensors& own) {
  std::vector<Tensors> all;
  for (const std::string& bytes : ranks.all_texts(detail::bytes_of(own))) {
    all.push_back(detail::tensors_of(bytes));
  }
  return all;
}

POSTTRAIN_INLINE std::vector<Tensors> shared_work(Communicator* ranks,
                                                  std::span<const double> costs,
                                                  const std::function<Tensors(std::size_t)>& work,
                                                  bool side_by_side) {
  const std::int64_t size = size_of(ranks), rank = ranks ? ranks->rank() : 0;
  const std::vector<std::int64_t> owner = owners(costs, size);
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < owner.size(); ++i) {
    if (owner[i] == rank) mine.push_back(i);
  }
  std::vector<Tensors> results(costs.size());
  const auto count = static_cast<std::int64_t>(mine.size());
  const auto one = [&](std::int64_t place) {
    const std::size_t i = mine[static_cast<std::size_t>(place)];
    results[i] = work(i);
  };
  if (side_by_side) {
    parallel_tasks(count, one);
  } else {
    for (std::int64_t place = 0; place < count; ++place) one(place);
  }
  if (size == 1) return results;
  Tensors own;
  for (const std::size_t i : mine) {
    own.push_back(at::full({1}, static_cast<std::int64_t>(results[i].size()), at::kLong));
    own.insert(own.end(), results[i].begin(), results[i].end());
  }
  std::vector<Tensors> all = all_tensors(*ranks, own);
  std::vector<std::size_t> next(all.size(), 0);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (owner[i] == rank) continue;
    const auto from = static_cast<std::size_t>(owner[i]);
    const std::int64_t count = all[from][next[from]++].item<std::int64_t>();
    for (std::int64_t each = 0; each < count; ++each) {
      results[i].push_back(std::move(all[from][next[from]++]));
    }
  }
  return results;
}

}  // namespace posttrain
