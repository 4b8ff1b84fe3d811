// SPDX-License-Identifier: Apache-2.0
// Experiments are constants, parts without a `validate()` included, and copies can be varied.
#include "posttrain/base/literal_string.hpp"
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain {

struct Plain {
  double scale = 1.0;
};
struct From {
  LiteralString path{};
};

constexpr auto kRun = checked(Experiment{Plain{}, Plain{}, From{"a.jsonl"}, Plain{.scale = 2.0},
                                         Options{.learning_rate = 1e-3}});
constexpr auto kVaried = varied(kRun, [](auto& run) {
  run.options.learning_rate = 1e-4;
  run.data.path = "b.jsonl";
});

static_assert(kRun.optimizer.scale == 2.0);
static_assert(kRun.data.path == LiteralString("a.jsonl"));
static_assert(kVaried.data.path == LiteralString("b.jsonl"));
static_assert(kVaried.options.learning_rate == 1e-4 && kRun.options.learning_rate == 1e-3);

}  // namespace posttrain
