// expected: posttrain: Schedule.min_lr_rate must be in [0, 1]
// SPDX-License-Identifier: Apache-2.0
// A bad field of a policy within the options of a constexpr experiment.
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/trainer/options.hpp"

using namespace posttrain;

struct Policy {
  constexpr void validate() const {}
};

#ifdef LEGAL
constexpr double kShare = 0.1;
#else
constexpr double kShare = 10;
#endif

constexpr auto kRun =
    checked(Experiment{Policy{}, Policy{}, Policy{}, Policy{},
                       Options{.lr_scheduler = {.type = optim::LrScheduler::cosine_with_min_lr,
                                                .min_lr_rate = kShare}}});

int main() { return kRun.options.max_steps == 0 ? 0 : 1; }
