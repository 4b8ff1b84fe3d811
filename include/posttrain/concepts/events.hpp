// SPDX-License-Identifier: Apache-2.0
// Events of a run, told to its callbacks and policies: hooks are overloads `void on(event::X)`, or
// `event::Request on(event::X)` where the hook may ask for a checkpoint or for the end.
//
// A misspelt event does not compile; a callback that answers to no event is refused. Events carry
// facts, never handles to change the run with.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/fwd.hpp"

namespace posttrain {

/// One optimizer step, under Training Hub's names.
struct StepMetrics {
  std::int64_t step = 0;  // 1-based: steps done
  double epoch = 0.0;     // epochs done, with fraction
  double loss = 0.0;      // the optimised loss
  double lr = 0.0;
  double grad_norm = 0.0;                          // before clipping
  std::int64_t num_samples = 0;                    // sequences of this step
  std::int64_t num_total_tokens = 0;               // read in this step
  std::int64_t batch_num_loss_counted_tokens = 0;  // scored in this step
  std::int64_t num_loss_counted_tokens = 0;        // scored since the beginning
  std::int64_t total_samples_accumulated = 0;
  std::int64_t total_tokens_accumulated = 0;
  std::int64_t grad_accum = 0;     // micro-batches of this step
  double time_per_batch = 0.0;     // seconds of this step
  double tokens_per_second = 0.0;  // read tokens
  double samples_per_second = 0.0;
  double peak_memory_usage_GB = 0.0;  // of the process on the CPU, of tensors on a GPU; 2^30 bytes
  std::int64_t device_reads = 0;      // times that the host waited for the device in this step
  std::int64_t device_uploads = 0;    // copies to the device in this step
  std::vector<std::pair<std::string, double>> loss_metrics{};  // the loss's own, by name
};

namespace event {

/// What a hook asks of its run by returning it. It is granted at the end of the step under way,
/// behind its validation; what is asked for before the first step, at once.
struct Request {
  bool save = false;  // write a checkpoint into Options.run_dir
  bool stop = false;  // end the run as if its last step were done

  Request& operator|=(const Request& other) {
    save = save || other.save;
    stop = stop || other.stop;
    return *this;
  }
};

struct TrainBegin {
  std::int64_t first_step = 0;  // steps already done by the run that is resumed
  std::int64_t total_steps = 0;
};
struct EpochBegin {
  std::int64_t epoch = 0;  // 0-based
};
struct StepBegin {
  std::int64_t step = 0;  // 0-based
};
/// The policy has answered some prompts, and its answers are judged; `rollout` lives for the call.
struct RolloutEnd {
  std::int64_t step = 0;  // optimizer steps done
  const Rollout* rollout = nullptr;
};
struct AfterStep {
  StepMetrics metrics;
};
struct Evaluated {
  std::int64_t step = 0;
  double loss = 0.0;
  bool best = false;
  std::vector<std::pair<std::string, double>> loss_metrics{};  // the loss's own, by name
};
struct CheckpointSaved {
  std::int64_t step = 0;
  std::string path;
};
struct EpochEnd {
  std::int64_t epoch = 0;
};
struct TrainEnd {
  std::int64_t steps = 0;
  bool interrupted = false;    // by a signal
  bool stopped_early = false;  // by early stopping or by a hook's Request
};

}  // namespace event

template <class T, class Event>
concept Hears = requires(T& object, const Event& e) {
  object.on(e);
};

/// An object with at least one hook.
template <class T>
concept HearsSomething =
    Hears<T, event::TrainBegin> || Hears<T, event::EpochBegin> || Hears<T, event::StepBegin> ||
    Hears<T, event::RolloutEnd> || Hears<T, event::AfterStep> || Hears<T, event::Evaluated> ||
    Hears<T, event::CheckpointSaved> || Hears<T, event::EpochEnd> || Hears<T, event::TrainEnd>;

/// The hook for an event, where there is one, returns nothing or an event::Request. At the run's
/// end nothing is left to ask for.
template <class T, class Event>
constexpr bool hook_returns_well() {
  if constexpr (Hears<T, Event>) {
    using Returned = decltype(std::declval<T&>().on(std::declval<const Event&>()));
    return std::is_void_v<Returned> ||
           (std::is_same_v<Returned, event::Request> && !std::is_same_v<Event, event::TrainEnd>);
  }
  return true;
}

template <class T>
constexpr bool hooks_return_well() {
  return hook_returns_well<T, event::TrainBegin>() && hook_returns_well<T, event::EpochBegin>() &&
         hook_returns_well<T, event::StepBegin>() && hook_returns_well<T, event::RolloutEnd>() &&
         hook_returns_well<T, event::AfterStep>() && hook_returns_well<T, event::Evaluated>() &&
         hook_returns_well<T, event::CheckpointSaved>() &&
         hook_returns_well<T, event::EpochEnd>() && hook_returns_well<T, event::TrainEnd>();
}

/// Calls a listener's hook for an event; what it asks for.
template <class Listener, class Event>
event::Request told(Listener& listener, const Event& event) {
  if constexpr (std::is_void_v<decltype(listener.on(event))>) {
    listener.on(event);
    return {};
  } else {
    return listener.on(event);
  }
}

namespace detail {

struct NamesOn {
  int on;
};
template <class T>
struct WithNameOn : T, NamesOn {};

}  // namespace detail

/// An object whose only hooks name types that do not exist, such as a misspelt event. The
/// compiler has reported them already; after that g++ takes the argument for an int, clang takes
/// the member for one that cannot be used.
template <class T>
concept HooksUnknown =
    !HearsSomething<T> && std::is_class_v<T> && !std::is_final_v<T> && !requires {
  &detail::WithNameOn<T>::on;
}
&&(
    requires(T& object) { object.on(0); } || !requires { &T::on; });

}  // namespace posttrain
