// SPDX-License-Identifier: Apache-2.0
// A run from its data report to the saved folder, with a look at the model before and after.
#pragma once

#include <cstdio>
#include <string>

#include "posttrain/base/error.hpp"
#include "support/options.hpp"

namespace examples {

/// `trainer.train()` as the work of a program (support/options.hpp).
template <class Trainer>
auto train(Trainer& trainer) {
  const auto result = at_work([&] { return trainer.train(); });
  if (result.interrupted) {
    fmt::print("interrupted after step {}{}\n", result.steps,
               trainer.options().run_dir.empty() ? "" : "; the same command goes on from there");
    throw Interrupted{result.signal};
  }
  return result;
}

/// `look(when)` is called with "before" and "after". A run that is resumed says so instead of
/// looking before; an interrupted one saves no model. What cannot be written is refused before the
/// first step.
template <class Trainer, class Look>
void train_and_save(Trainer& trainer, const std::string& output, const Look& look) {
  trainer.check_save(output);
  fmt::print("{}", trainer.report().summary());
  if (trainer.steps() == 0) {
    look("before");
  } else {
    fmt::print("goes on from step {} of {}\n", trainer.steps(), trainer.total_steps());
  }
  std::fflush(stdout);
  const auto result = train(trainer);
  at_work([&] {
    look("after");
    trainer.save(output);
  });
  if (result.first_step == result.steps) {
    fmt::print("nothing was left to do after step {}; saved to {}\n", result.steps, output);
  } else {
    fmt::print("{} steps, loss {:.4f}; saved to {}\n", result.steps, result.loss, output);
  }
}

}  // namespace examples
