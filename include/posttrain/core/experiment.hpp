// SPDX-License-Identifier: Apache-2.0
// A whole experiment as one value: policies with their hyperparameters, and options.
//
//   constexpr auto kRun = checked(Experiment{NextToken{}, Full{}, Messages{.path = "chats.jsonl"},
//                                            AdamW{}, Options{.learning_rate = 1e-4}});
//
// A bad value (`.learning_rate = -1`) does not compile, with one message; made at run time, the
// same object throws the same text.
#pragma once

namespace posttrain {

template <class Loss, class Params, class Data, class Optimizer, class Options>
struct Experiment {
  Loss loss{};
  Params params{};
  Data data{};
  Optimizer optimizer{};
  Options options{};

  constexpr void validate() const {
    loss.validate();
    params.validate();
    data.validate();
    optimizer.validate();
    options.validate();
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

}  // namespace posttrain
