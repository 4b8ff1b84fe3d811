// SPDX-License-Identifier: Apache-2.0
// Prints the factors of learning-rate schedules, for comparison with another implementation.
//
// Reads lines "type warmup total steps learning_rate num_cycles power lr_end min_lr_rate timescale
// decay_steps" and answers each with one line: the factors of the steps 0 … steps − 1.
#include <array>
#include <cstdio>
#include <string_view>

#include "posttrain/base/describe.hpp"
#include "posttrain/optim/schedule.hpp"

int main() {
  using posttrain::optim::LrScheduler;
  std::array<char, 64> type{};
  long long warmup = 0, total = 0, steps = 0, timescale = 0, decay_steps = 0;
  double rate = 0, cycles = 0, power = 0, end = 0, lowest = 0;
  while (std::scanf("%63s %lld %lld %lld %lf %lf %lf %lf %lf %lld %lld", type.data(), &warmup,
                    &total, &steps, &rate, &cycles, &power, &end, &lowest, &timescale,
                    &decay_steps) == 11) {
    posttrain::optim::Schedule schedule{.num_cycles = cycles,
                                        .power = power,
                                        .lr_end = end,
                                        .min_lr_rate = lowest,
                                        .timescale = timescale,
                                        .decay_steps = decay_steps};
    int number = 0;
    while (number < 32 && posttrain::enum_name(static_cast<LrScheduler>(number)) !=
                              std::string_view(type.data())) {
      ++number;
    }
    if (number == 32) {
      std::fprintf(stderr, "no schedule named %s\n", type.data());
      return 1;
    }
    schedule.type = static_cast<LrScheduler>(number);
    schedule.validate();
    for (long long step = 0; step < steps; ++step) {
      std::printf("%s%.17g", step > 0 ? " " : "", schedule.factor(step, warmup, total, rate));
    }
    std::printf("\n");
  }
}
