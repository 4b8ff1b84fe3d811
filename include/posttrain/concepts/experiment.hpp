// SPDX-License-Identifier: Apache-2.0
// A whole experiment as one value: policies with their hyperparameters, and options.
//
//   constexpr auto kRun = checked(Experiment{NextToken{}, Full{}, Messages{.path =
//   "a.jsonl"},
//                                            AdamW{}, Options{.learning_rate = 1e-4}});
//   constexpr auto kSlow = varied(kRun, [](auto& run) { run.options.learning_rate = 1e-5; });
//
// A bad value (`.learning_rate = -1`) does not compile, with one message; made at run time, the
// same object throws the same text. A copy at run time can be given paths of the command line.
#pragma once

namespace posttrain {

template <class Loss, class Params, class Data, class Optimizer, class Options>
struct Experiment {
  Loss loss{};
  Params params{};
  Data data{};
  Optimizer optimizer{};
  Options options{};

  /// Checks the value of every policy that has a `validate()`.
  constexpr void validate() const {
    const auto check = [](const auto& part) {
      if constexpr (requires { part.validate(); }) part.validate();
    };
    check(loss);
    check(params);
    check(data);
    check(optimizer);
    check(options);
  }
};

template <class L, class P, class D, class O, class X>
Experiment(L, P, D, O, X) -> Experiment<L, P, D, O, X>;

/// Checks an experiment: in a constant expression a bad value is a compile error that shows the
/// value's message, at run time an `Error` with the same text. Returns the experiment.
template <class E>
constexpr E checked(E experiment) {
  experiment.validate();
  return experiment;
}

/// A copy of `experiment` to which `change(copy)` was applied, checked.
template <class E, class Change>
constexpr E varied(E experiment, Change change) {
  change(experiment);
  experiment.validate();
  return experiment;
}

}  // namespace posttrain
