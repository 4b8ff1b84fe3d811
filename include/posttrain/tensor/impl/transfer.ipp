// SPDX-License-Identifier: Apache-2.0
// Definitions of transfer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

struct TransferCounters {
  std::atomic<std::int64_t> uploads{0}, reads{0};
  static TransferCounters& get() {
    static TransferCounters counters;
    return counters;
  }
};

}  // namespace detail

POSTTRAIN_INLINE TransferCounts transfer_counts() {
  const detail::TransferCounters& counters = detail::TransferCounters::get();
  return {counters.uploads, counters.reads};
}

POSTTRAIN_INLINE void upload_together(std::span<Tensor* const> tensors, at::Device device) {
  if (device.is_cpu()) {
    for (Tensor* tensor : tensors) {
      if (tensor->defined()) *tensor = tensor->to(device);
    }
    return;
  }
  struct Piece {
    Tensor* tensor;
    std::int64_t begin, bytes;
  };
  constexpr std::int64_t kAlignment = 256;  // as CUDA's allocator gives it
  std::vector<Piece> pieces;
  std::int64_t size = 0;
  for (Tensor* tensor : tensors) {
    if (!tensor->defined() || tensor->device() == device) continue;
    const auto bytes = static_cast<std::int64_t>(tensor->numel()) * tensor->element_size();
    pieces.push_back({tensor, size, bytes});
    size += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (pieces.empty()) return;
  const Tensor block = at::empty({size}, at::TensorOptions(at::kByte).pinned_memory(true));
  const auto part = [](const Tensor& from, const Piece& piece) {
    return from.narrow(0, piece.begin, piece.bytes)
        .view(piece.tensor->scalar_type())
        .view(piece.tensor->sizes());
  };
  for (const Piece& piece : pieces) part(block, piece).copy_(*piece.tensor);
  const Tensor there =
      at::empty({size}, at::TensorOptions(device).dtype(at::kByte)).copy_(block, true);
  detail::TransferCounters::get().uploads += 1;
  for (const Piece& piece : pieces) *piece.tensor = part(there, piece);
}

POSTTRAIN_INLINE Tensor uploaded(const Tensor& tensor, at::Device device) {
  Tensor moved = tensor;
  Tensor* const all[] = {&moved};
  upload_together(all, device);
  return moved;
}

POSTTRAIN_INLINE void copy_down(const Tensor& on_host, const Tensor& on_device) {
  on_host.copy_(on_device);
  if (!on_device.is_cpu()) detail::TransferCounters::get().reads += 1;
}

POSTTRAIN_INLINE std::vector<double> read_numbers(const Tensors& numbers) {
  at::NoGradGuard no_grad;
  std::vector<double> read(numbers.size());
  Tensors waiting;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Tensor& number = numbers[i];
    if (number.is_cpu()) {
      read[i] = number.item().toDouble();
    } else {
      waiting.push_back(number.detach().to(at::kDouble).reshape({}));
      places.push_back(i);
    }
  }
  if (waiting.empty()) return read;
  const Tensor together = at::stack(waiting).to(at::kCPU);
  detail::TransferCounters::get().reads += 1;
  for (std::size_t i = 0; i < places.size(); ++i) {
    read[places[i]] = together.const_data_ptr<double>()[i];
  }
  return read;
}

POSTTRAIN_INLINE Tensor device_constant(std::span<const float> values, at::Device device) {
  const auto made = [&] {
    return at::tensor(at::ArrayRef<float>(values.data(), values.size()), at::kFloat);
  };
  if (device.is_cpu()) return made();
  // Never destroyed: at the end of a program CUDA goes before what is static here.
  static auto* const all = new std::map<std::pair<std::string, std::string>, Tensor>;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  Tensor& constant = (*all)[{device.str(), std::string(bytes, values.size_bytes())}];
  if (!constant.defined()) constant = uploaded(made(), device);
  return constant;
}

}  // namespace posttrain
