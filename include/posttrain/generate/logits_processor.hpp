// SPDX-License-Identifier: Apache-2.0
// Changes of a row's logits before a token is drawn from it, chosen at compile time:
//
//   Generator generator(model, gate, ends, options, AllowedIds{{yes, no}});
//
// A processor is anything that can be called with a row's float32 logits [V], which it changes in
// place, and the row's ids so far. It runs before penalties and temperature
// (generate/sampling.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// Whose logits a row holds.
struct RowView {
  std::int64_t request = 0, sample = 0;
  std::span<const TokenId> prompt, sampled;  // those before the token to be drawn
};

template <class P>
concept LogitsProcessor = requires(const P& processor, const Tensor& logits, const RowView& row) {
  processor(logits, row);
};

/// Whether P is a processor; a message says why not.
template <class P>
constexpr bool check_logits_processor() {
  constexpr bool called = LogitsProcessor<P>;
  static_assert(
      called,
      "posttrain: a logits processor is called with `(const Tensor& logits, const RowView& "
      "row) const` [docs/concepts.md#logits-processor]");
  return called;
}

namespace detail {

/// What processors do to the logits of a row; none: there are no processors.
using ProcessRow = std::function<void(const Tensor&, const RowView&)>;

template <class... Processors>
ProcessRow process_by(Processors... processors) {
  if constexpr (sizeof...(Processors) > 0 && (LogitsProcessor<Processors> && ...)) {
    return [all = std::tuple<Processors...>(std::move(processors)...)](const Tensor& logits,
                                                                       const RowView& row) {
      std::apply([&](const auto&... each) { (each(logits, row), ...); }, all);
    };
  }
  return {};
}

}  // namespace detail

/// Nothing but these ids is ever drawn.
class AllowedIds {
 public:
  explicit AllowedIds(std::vector<TokenId> ids) : ids_(std::move(ids)) {
    if (ids_.empty()) fail("AllowedIds expected at least one id");
  }

  void operator()(const Tensor& logits, const RowView&) const {
    if (!index_.defined() || index_.device() != logits.device()) {
      const std::vector<std::int64_t> wide(ids_.begin(), ids_.end());
      index_ = at::tensor(wide, at::kLong).to(logits.device());
    }
    const Tensor kept = at::index_select(logits, 0, index_);
    logits.fill_(-std::numeric_limits<double>::infinity());
    Tensor all = logits;
    all.index_copy_(0, index_, kept);
  }

 private:
  std::vector<TokenId> ids_;
  mutable Tensor index_{};  // on the device of the logits, made at the first row
};

}  // namespace posttrain
