// expected: posttrain: NextToken.label_smoothing must be in [0, 1)
// SPDX-License-Identifier: Apache-2.0
// A bad hyperparameter of a real policy in a constexpr experiment.
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer/options.hpp"

using namespace posttrain;

#ifdef LEGAL
constexpr double kSmoothing = 0.1;
#else
constexpr double kSmoothing = 1.0;
#endif

constexpr auto kRun = checked(Experiment{NextToken{.label_smoothing = kSmoothing}, Full{},
                                         Tokenized{.path = "tokens.jsonl"}, AdamW{}, Options{}});

int main() { return kRun.options.max_steps == 0 ? 0 : 1; }
