// SPDX-License-Identifier: Apache-2.0
// Definitions of gradient_sum.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer/gradient_sum.hpp"

namespace posttrain {

namespace detail {

using GradientPart = GradientSum::Part;

/// The pieces of a group that gradients cover, by their places.
inline std::vector<GradientPart> covered_parts(const Tensor& whole, std::size_t group,
                                               const std::vector<NamedTensor>& gradients) {
  std::vector<GradientPart> parts;
  for (const NamedTensor& gradient : gradients) {
    const Tensor& view = gradient.value;
    if (!view.is_alias_of(whole) || view.numel() == 0) continue;
    std::int64_t extent = 1;
    for (std::int64_t axis = 0; axis < view.dim(); ++axis) {
      extent += (view.size(axis) - 1) * view.stride(axis);
    }
    const std::int64_t begin = view.storage_offset() - whole.storage_offset();
    parts.push_back({group, begin, begin + extent, layer_of(gradient.name)});
  }
  std::ranges::sort(parts, {}, &GradientPart::begin);
  return parts;
}

/// The whole group as pieces in their order, each of one layer. Where gradients share elements the
/// one that is ready last counts; padding goes with what stands behind it.
inline std::vector<GradientPart> all_parts(const Tensor& whole, std::size_t group,
                                           const std::vector<NamedTensor>& gradients) {
  constexpr std::int64_t kPadding = 16;  // less than that: tensor/parameter_buffer.hpp
  std::vector<GradientPart> all;
  std::int64_t next = 0;
  const auto add = [&](std::int64_t end, std::int64_t layer) {
    if (end <= next) return;
    if (!all.empty() && all.back().layer == layer) {
      all.back().end = end;
    } else {
      all.push_back({group, next, end, layer});
    }
    next = end;
  };
  for (const GradientPart& part : covered_parts(whole, group, gradients)) {
    if (part.begin < next) {
      all.back().layer = std::min(all.back().layer, part.layer);
    } else if (part.begin - next >= kPadding) {
      add(part.begin, -1);
    }
    add(part.end, part.layer);
  }
  add(whole.numel(), whole.numel() - next < kPadding && !all.empty() ? all.back().layer : -1);
  return all;
}

}  // namespace detail

POSTTRAIN_INLINE std::int64_t layer_of(std::string_view name) {
  if (name.starts_with("critic.")) return -1;
  // A head of its own: one that is tied has the embedding's name, whose gradient comes last.
  if (name.starts_with("lm_head.")) return std::numeric_limits<std::int64_t>::max();
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view component = name.substr(0, dot);
    if (component.size() < 10 && detail::is_number(component)) return detail::to_number(component);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return -1;
}

POSTTRAIN_INLINE std::vector<GradientSum::Part> GradientSum::parts_of(
    const std::vector<ParameterGroup>& groups, const std::vector<NamedTensor>& gradients,
    std::int64_t bytes) {
  std::vector<Part> parts;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    const Tensor& whole = groups[group].grad;
    const std::int64_t most =
        std::max<std::int64_t>(1, bytes / static_cast<std::int64_t>(whole.element_size()));
    std::vector<Part> pieces = detail::all_parts(whole, group, gradients);
    // From the last layer on, layers join while there is room.
    std::vector<Part> joined;
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      const bool joins = !joined.empty() && (joined.back().layer < 0) == (piece->layer < 0) &&
                         joined.back().end - piece->begin <= most;
      if (!joins) {
        joined.push_back(*piece);
        continue;
      }
      joined.back().begin = piece->begin;
      joined.back().layer = std::min(joined.back().layer, piece->layer);
    }
    for (const Part& whole_part : joined) {
      for (std::int64_t begin = whole_part.begin; begin < whole_part.end; begin += most) {
        parts.push_back({group, begin, std::min(begin + most, whole_part.end), whole_part.layer});
      }
    }
  }
  std::ranges::stable_sort(parts, std::ranges::greater(), &Part::layer);
  return parts;
}

POSTTRAIN_INLINE std::function<void(std::int64_t)> GradientSum::layer_done(
    const std::vector<ParameterGroup>& groups) {
  if (!overlap_ || parts_.empty() || parts_.front().layer < 0) return {};
  return [this, &groups](std::int64_t layer) { begin_until(groups, layer); };
}

POSTTRAIN_INLINE void GradientSum::begin_until(const std::vector<ParameterGroup>& groups,
                                               std::int64_t layer) {
  for (; next_ < parts_.size() && parts_[next_].layer >= layer; ++next_) {
    const Part& part = parts_[next_];
    pending_.push_back(
        ranks_->all_reduce(groups[part.group].grad.narrow(0, part.begin, part.end - part.begin)));
  }
}

POSTTRAIN_INLINE void GradientSum::finish(const std::vector<ParameterGroup>& groups) {
  begin_until(groups, -1);
  for (Pending& each : pending_) each.wait();
  pending_.clear();
  next_ = 0;
}

}  // namespace posttrain
