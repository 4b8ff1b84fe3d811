// SPDX-License-Identifier: Apache-2.0
// Definitions of shards.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"
#include "posttrain/tensor/shape_text.hpp"
#include "posttrain/trainer/shards.hpp"

namespace posttrain {

namespace detail {

inline std::int64_t size_of(const GradientSum::Part& part) { return part.end - part.begin; }

/// Where a rank's slice of a part begins in its group.
inline std::int64_t slice_begin(const GradientSum::Part& part, const Communicator& ranks) {
  return part.begin + ranks.rank() * (size_of(part) / ranks.size());
}

/// Elements of a slice, from `begin` on in a flat tensor of `whole`, without those behind its end.
inline NamedSlice clipped(std::string name, const Tensor& value, std::int64_t begin,
                          std::int64_t whole) {
  const std::int64_t size = std::clamp<std::int64_t>(whole - begin, 0, value.numel());
  return {std::move(name), value.narrow(0, 0, size), std::min(begin, whole), whole};
}

}  // namespace detail

POSTTRAIN_INLINE void Shards::cut_groups(std::vector<ParameterGroup>& groups,
                                         const Tensors& gradients,
                                         const std::function<bool()>& release_masters) {
  at::NoGradGuard no_grad;
  Tensors masters(parts_.size());
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const ParameterGroup& group = groups[parts_[i].group];
    if (group.master.is_same(group.value)) continue;
    const std::int64_t begin = detail::slice_begin(parts_[i], *ranks_);
    const std::int64_t size = detail::size_of(parts_[i]) / ranks_->size();
    masters[i] = at::zeros({size}, group.master.options());
    if (const std::int64_t own = std::min(size, group.master.numel() - begin); own > 0) {
      masters[i].narrow(0, 0, own).copy_(group.master.narrow(0, begin, own));
    }
  }
  const bool released = release_masters();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const ParameterGroup& group = groups[i];
    const bool narrower = !group.master.is_same(group.value);
    if (released && narrower && group.master.defined()) {
      raise(
          "the masters of '{}' are there after `release_masters`; hint: a state that wraps another "
          "one and has groups of its own returns false",
          group.name);
    }
    const Tensor& flat = released || !narrower ? group.value : group.master;
    flat_.push_back(with_room(flat, gradients[i].numel()));
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const GradientSum::Part& part = parts_[i];
    const auto slice = [&](const Tensor& flat) {
      return ranks_->piece_of(flat.narrow(0, part.begin, detail::size_of(part)));
    };
    ParameterGroup own = groups[part.group];
    own.value = slice(flat_[part.group]);
    own.master = released && masters[i].defined() ? masters[i] : own.value;
    own.grad = slice(gradients[part.group]);
    own.whole = groups[part.group].value.numel();
    own_.push_back(std::move(own));
  }
}

POSTTRAIN_INLINE Tensor Shards::norm(const std::vector<ParameterGroup>& all) const {
  if (!cut()) return optim::device_norm(all);
  const Tensor square = optim::device_norm(own_).square().reshape({1});
  ranks_->all_reduce(square).wait();
  return square.sqrt().reshape({});
}

POSTTRAIN_INLINE void Shards::gather() {
  if (!cut()) return;
  at::NoGradGuard no_grad;
  for (ParameterGroup& own : own_) {
    if (!own.value.is_same(own.master)) own.value.copy_(own.master);
  }
  std::vector<Pending> pending;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const GradientSum::Part& part = parts_[i];
    pending.push_back(ranks_->all_gather(
        flat_[part.group].narrow(0, part.begin, detail::size_of(part)), own_[i].value));
  }
  for (Pending& each : pending) each.wait();
}

POSTTRAIN_INLINE std::vector<NamedSlice> Shards::tensors(
    const std::vector<ParameterGroup>& all, const std::vector<NamedTensor>& optimizer) const {
  std::vector<NamedSlice> found;
  for (const NamedTensor& tensor : optimizer) {
    found.push_back(cut() ? of_group(tensor, all) : NamedSlice{tensor.name, tensor.value});
  }
  if (!cut()) {
    for (const ParameterGroup& group : all) {
      found.push_back({"parameters." + group.name, group.master});
    }
  }
  for (std::size_t i = 0; i < own_.size(); ++i) {
    found.push_back(detail::clipped("parameters." + own_[i].name, own_[i].master,
                                    detail::slice_begin(parts_[i], *ranks_), own_[i].whole));
  }
  return found;
}

POSTTRAIN_INLINE NamedSlice Shards::of_group(const NamedTensor& tensor,
                                             const std::vector<ParameterGroup>& all) const {
  const auto& [name, value] = tensor;
  const std::size_t dot = name.rfind('.');
  const std::string number = dot == std::string::npos ? "" : name.substr(dot + 1);
  const std::int64_t index =
      number.size() < 10 && detail::is_number(number) ? detail::to_number(number) : -1;
  if (index < 0 || index >= static_cast<std::int64_t>(own_.size())) {
    raise(
        "the optimizer's tensor '{}' does not say by a number at its end which of {} groups it "
        "belongs to, so that it cannot be kept in slices; hint: Ranks::Sharding::none",
        name, own_.size());
  }
  const auto i = static_cast<std::size_t>(index);
  const std::string of_all = name.substr(0, dot + 1) + std::to_string(parts_[i].group);
  if (value.dim() == 0) return {of_all, value};
  const std::int64_t size = own_[i].master.numel();
  if (value.dim() != 1 || value.numel() == 0 || size % value.numel() != 0 ||
      kBlock % (size / value.numel()) != 0) {
    raise(
        "the optimizer's tensor '{}' of {} is neither a number nor one for each element or block "
        "of its group's {}, so that it cannot be kept in slices; hint: Ranks::Sharding::none",
        name, shape_text(value), size);
  }
  const std::int64_t block = size / value.numel();
  const std::int64_t whole = all[parts_[i].group].value.numel();
  return detail::clipped(of_all, value, detail::slice_begin(parts_[i], *ranks_) / block,
                         (whole + block - 1) / block);
}

POSTTRAIN_INLINE std::int64_t Shards::master_bytes() const {
  std::int64_t total = 0;
  for (const ParameterGroup& own : own_) {
    if (!own.value.is_same(own.master)) total += static_cast<std::int64_t>(own.master.nbytes());
  }
  return total;
}

}  // namespace posttrain
