// expected: posttrain: Options.learning_rate must be positive and finite
// SPDX-License-Identifier: Apache-2.0
// A bad option of a constexpr experiment.
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/trainer/options.hpp"

using namespace posttrain;

struct Policy {
  constexpr void validate() const {}
};

#ifdef LEGAL
constexpr double kRate = 1e-4;
#else
constexpr double kRate = -1;
#endif

constexpr auto kRun =
    checked(Experiment{Policy{}, Policy{}, Policy{}, Policy{}, Options{.learning_rate = kRate}});

int main() { return kRun.options.max_steps == 0 ? 0 : 1; }
