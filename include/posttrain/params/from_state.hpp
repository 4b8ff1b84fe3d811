// SPDX-License-Identifier: Apache-2.0
// Goes on with the state of an earlier Trainer, without a folder in between.
//
//   OsftState<Dense> state = std::move(first.state());
//   state.begin_task("law", {.unfreeze_rank_ratio = 0.2});
//   Trainer second(model, NextToken{}, FromState(std::move(state)), data, AdamW{}, options);
//
// The second Trainer has data, an optimizer and counts of its own. A checkpoint of it holds what
// trains, not what the state brought along: a run that is resumed in another process starts from a
// saved folder instead.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "posttrain/base/describe.hpp"
#include "posttrain/concepts/gate.hpp"

namespace posttrain {

/// Printed and recorded as the state's type.
template <class S>
class HandedState {
 public:
  HandedState(S state) : state_(std::make_shared<const S>(std::move(state))) {}
  operator std::string_view() const { return type_name<S>(); }
  const S& get() const { return *state_; }

 private:
  std::shared_ptr<const S> state_;
};

template <class S>
struct FromState {
  using State = S;
  static constexpr bool has_reference = GivesReference<S>;

  HandedState<S> state;

  /// Copies of a state share its tensors.
  S attach(const auto&) const { return state.get(); }
};
template <class S>
FromState(S) -> FromState<S>;

}  // namespace posttrain
