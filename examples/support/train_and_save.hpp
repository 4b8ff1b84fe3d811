// SPDX-License-Identifier: Apache-2.0
// A run from its data report to the saved folder, with a look at the model before and after.
#pragma once

#include <cstdio>
#include <string>

#include "posttrain/base/error.hpp"

namespace examples {

/// `look(when)` is called with "before" and "after". A run that is resumed says so instead of
/// looking before; an interrupted one saves no model.
template <class Trainer, class Look>
void train_and_save(Trainer& trainer, const std::string& output, const Look& look) {
  fmt::print("{}", trainer.report().summary());
  if (trainer.steps() == 0) {
    look("before");
  } else {
    fmt::print("goes on from step {} of {}\n", trainer.steps(), trainer.total_steps());
  }
  std::fflush(stdout);
  const auto result = trainer.train();
  if (result.interrupted) {
    fmt::print("interrupted after step {}; the same command goes on from there\n", result.steps);
    return;
  }
  look("after");
  trainer.save(output);
  fmt::print("{} steps, loss {:.4f}; saved to {}\n", result.steps, result.loss, output);
}

}  // namespace examples
