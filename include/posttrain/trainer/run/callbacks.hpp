// SPDX-License-Identifier: Apache-2.0
// Callbacks of a run: any object with `void on(event::X)` for the events it wants, or
// `event::Request on(event::X)` to ask for a checkpoint or for the end.
#pragma once

#include <functional>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/events.hpp"

namespace posttrain {

class Callbacks {
 public:
  /// These callbacks, in this order.
  template <class... Each>
  static Callbacks of(Each... callbacks) {
    Callbacks all;
    (all.add(std::move(callbacks)), ...);
    return all;
  }

  /// Adds those of another list behind.
  void add(const Callbacks& more) {
    std::apply([&](auto&... lists) { (append(lists, more), ...); }, lists_);
  }

  /// Keeps a copy of `callback`; capture references to observe from outside. Exceptions of a
  /// callback end the run: none is swallowed.
  template <class Callback>
  void add(Callback callback) {
    if constexpr (check_callback<Callback>()) {
      auto shared = std::make_shared<Callback>(std::move(callback));
      std::apply([&](auto&... lists) { (subscribe(lists, shared), ...); }, lists_);
    } else if constexpr (HooksUnknown<Callback>) {
      refuse(callback);
    }
  }

  /// Tells all of them, in the order in which they were added; all that they ask for together.
  template <class Event>
  event::Request notify(const Event& event) const {
    event::Request asked;
    for (const auto& function : std::get<List<Event>>(lists_)) asked |= function(event);
    return asked;
  }

 private:
  template <class Event>
  using List = std::vector<std::function<event::Request(const Event&)>>;

  template <class Event>
  static void append(List<Event>& list, const Callbacks& more) {
    const List<Event>& other = std::get<List<Event>>(more.lists_);
    list.insert(list.end(), other.begin(), other.end());
  }

  template <class Event, class Callback>
  static void subscribe(List<Event>& list, const std::shared_ptr<Callback>& callback) {
    if constexpr (Hears<Callback, Event>) {
      list.push_back([callback](const Event& event) { return told(*callback, event); });
    }
  }

  /// Reached by a callback whose `on` takes something else: no error in its declaration.
  template <class Callback>
  static void refuse(Callback& callback) {
    if constexpr (requires { callback.on(0); }) {
      fail(
          "expected a callback with `void on(event::AfterStep)` or another event, got one that "
          "hears "
          "no event; hint: docs/concepts.md#events");
    } else {
      callback.on(event::AfterStep{});  // clang: no second error for a misspelt event
    }
  }

  std::tuple<List<event::TrainBegin>, List<event::EpochBegin>, List<event::StepBegin>,
             List<event::RolloutEnd>, List<event::AfterStep>, List<event::Evaluated>,
             List<event::CheckpointSaved>, List<event::EpochEnd>, List<event::TrainEnd>>
      lists_;
};

}  // namespace posttrain
