// SPDX-License-Identifier: Apache-2.0
// Lays the tensors of a parameter policy out in one flat buffer (tensor/parameters.hpp): first all
// shapes, then one allocation, then a view for each.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// A flat tensor and zeros behind it, `size` elements in all, in the same memory: `flat` and its
/// views keep theirs, which is enlarged. Throws where `flat` is no buffer of its own.
inline Tensor with_room(const Tensor& flat, std::int64_t size) {
  at::NoGradGuard no_grad;
  const std::int64_t own = flat.numel();
  if (size == own) return flat;
  if (flat.storage_offset() != 0 || flat.dim() != 1 || !flat.is_contiguous()) {
    raise("expected a flat buffer with memory of its own, got a view of {} elements", own);
  }
  Tensor handle = flat;
  handle.resize_({size});
  handle.narrow(0, own, size - own).zero_();
  const Tensor whole = handle.alias();
  handle.resize_({own});  // leaves the memory as it is
  return whole;
}

class ParameterBuffer {
 public:
  /// Reserves room; returns the index of the view.
  int add(std::vector<std::int64_t> shape) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    places_.push_back({size_, size, std::move(shape)});
    size_ += (size + 15) / 16 * 16;  // views begin at whole cache lines
    return static_cast<int>(places_.size()) - 1;
  }

  std::int64_t size() const { return size_; }

  /// All zero.
  const ParameterGroup& allocate(std::string name, at::ScalarType dtype, at::Device device,
                                 bool decay) {
    const auto options = at::TensorOptions(device);
    const at::ScalarType exact = master_dtype(dtype);
    group_.name = std::move(name);
    group_.master = at::zeros({size_}, options.dtype(exact));
    group_.value = dtype == exact ? group_.master : at::zeros({size_}, options.dtype(dtype));
    group_.grad = at::zeros({size_}, options.dtype(exact));
    group_.decay = decay;
    return group_;
  }

  ParameterView view(int index) const {
    const Place& place = places_[static_cast<std::size_t>(index)];
    const auto at_place = [&](const Tensor& flat) {
      return flat.narrow(0, place.begin, place.size).view(place.shape);
    };
    return {at_place(group_.value), at_place(group_.master), at_place(group_.grad)};
  }

 private:
  struct Place {
    std::int64_t begin, size;
    std::vector<std::int64_t> shape;
  };

  std::vector<Place> places_;
  std::int64_t size_ = 0;
  ParameterGroup group_;
};

}  // namespace posttrain
