// SPDX-License-Identifier: Apache-2.0
// What a recipe returns.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace posttrain {

struct RecipeResult {
  std::string model{};          // folder of the newest model (or adapter) saved; empty: none was
  std::string best{};           // folder of the one with the lowest validation loss; empty: none
  std::int64_t steps = 0;       // optimizer steps done, those before a resume included
  std::int64_t first_step = 0;  // those done before; equal to steps where nothing was left to do
  double loss = std::numeric_limits<double>::quiet_NaN();      // of the last step, if one was made
  double val_loss = std::numeric_limits<double>::quiet_NaN();  // of the last validation, if any
  bool interrupted = false;                                    // by a signal: the same call goes on
  int signal = 0;                                              // which one
  bool stopped_early = false;  // by early stopping or by a callback's Request
  std::string metrics_file{};  // JSON Lines, a record for each logged step and validation
};

}  // namespace posttrain
