// SPDX-License-Identifier: Apache-2.0
// Definitions of gradient_sum.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"
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

/// Pieces of layers, joined from the last one on while a part has room for them.
inline std::vector<GradientPart> joined_layers(const std::vector<GradientPart>& pieces,
                                               std::int64_t most) {
  std::vector<GradientPart> joined, parts;
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
  for (const GradientPart& whole : joined) {
    for (std::int64_t begin = whole.begin; begin < whole.end; begin += most) {
      parts.push_back({whole.group, begin, std::min(begin + most, whole.end), whole.layer});
    }
  }
  return parts;
}

/// Parts of `most` elements, a multiple of `multiple`, of which the last may be shorter; each is
/// ready with the earliest layer that it has something of.
inline std::vector<GradientPart> even_parts(const std::vector<GradientPart>& pieces,
                                            std::int64_t most, std::int64_t multiple) {
  std::vector<GradientPart> parts;
  if (pieces.empty()) return parts;
  const std::int64_t room = (pieces.back().end + multiple - 1) / multiple * multiple;
  auto piece = pieces.begin();
  for (std::int64_t begin = 0; begin < room; begin += most) {
    GradientPart part{piece->group, begin, std::min(begin + most, room), piece->layer};
    // The piece that reaches beyond the part belongs to the next one, too.
    for (; piece->end < part.end && piece + 1 != pieces.end(); ++piece) {
      part.layer = std::min(part.layer, (piece + 1)->layer);
    }
    if (piece->end == part.end && piece + 1 != pieces.end()) ++piece;
    parts.push_back(part);
  }
  return parts;
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
    const Cut& cut) {
  std::vector<Part> parts;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    const Tensor& whole = groups[group].grad;
    const std::int64_t multiple = std::max<std::int64_t>(1, cut.multiple);
    const std::int64_t most =
        std::max<std::int64_t>(
            1, cut.bytes / static_cast<std::int64_t>(whole.element_size()) / multiple) *
        multiple;
    const std::vector<Part> pieces = detail::all_parts(whole, group, gradients);
    for (const Part& part : cut.multiple > 0 ? detail::even_parts(pieces, most, multiple)
                                             : detail::joined_layers(pieces, most)) {
      parts.push_back(part);
    }
  }
  std::ranges::stable_sort(parts, std::ranges::greater(), &Part::layer);
  return parts;
}

POSTTRAIN_INLINE GradientSum::GradientSum(std::shared_ptr<Communicator> ranks,
                                          const std::vector<ParameterGroup>& groups,
                                          const std::vector<NamedTensor>& gradients, const Cut& cut)
    : ranks_(std::move(ranks)), cut_(cut), parts_(parts_of(groups, gradients, cut)) {
  std::vector<std::int64_t> room(groups.size());
  for (const Part& part : parts_) room[part.group] = std::max(room[part.group], part.end);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    gradients_.push_back(with_room(groups[i].grad, room[i]));
  }
}

POSTTRAIN_INLINE std::function<void(std::int64_t)> GradientSum::layer_done() {
  if (!cut_.overlap || parts_.empty() || parts_.front().layer < 0) return {};
  return [this](std::int64_t layer) { begin_until(layer); };
}

POSTTRAIN_INLINE void GradientSum::begin_until(std::int64_t layer) {
  for (; next_ < parts_.size() && parts_[next_].layer >= layer; ++next_) {
    const Part& part = parts_[next_];
    const Tensor whole = gradients_[part.group].narrow(0, part.begin, part.end - part.begin);
    pending_.push_back(cut_.multiple > 0 ? ranks_->reduce_scatter(ranks_->piece_of(whole), whole)
                                         : ranks_->all_reduce(whole));
  }
}

POSTTRAIN_INLINE void GradientSum::finish() {
  begin_until(-1);
  for (Pending& each : pending_) each.wait();
  pending_.clear();
  next_ = 0;
}

}  // namespace posttrain
