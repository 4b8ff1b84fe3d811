// SPDX-License-Identifier: Apache-2.0
#include "posttrain/concepts/experiment.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/trainer/options.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct Smoothed {
  double smoothing = 0.0;
  constexpr void validate() const {
    if (!(smoothing < 1.0)) fail("posttrain: Smoothed.smoothing must be below 1");
  }
};

struct Plain {
  constexpr void validate() const {}
};

constexpr auto kBase = Experiment{Smoothed{}, Plain{}, Plain{}, Plain{}, Options{}};
// Two experiments of one program, checked by the compiler.
constexpr auto kFirst = checked(Experiment{Smoothed{.smoothing = 0.1}, Plain{}, Plain{}, Plain{},
                                           Options{.learning_rate = 1e-4}});
constexpr auto kSecond = checked(Experiment{Smoothed{}, Plain{}, Plain{}, Plain{},
                                            Options{.num_epochs = 3, .run_dir = "runs/second"}});

}  // namespace

TEST_CASE("an experiment is a constant that keeps every field", "[core][experiment]") {
  static_assert(kFirst.loss.smoothing == 0.1);
  static_assert(kFirst.options.learning_rate == 1e-4);
  static_assert(kSecond.options.num_epochs == 3);
  static_assert(kSecond.options.run_dir == "runs/second");
  const auto copy = kSecond;  // a run-time copy owns its text
  CHECK(copy.options.run_dir.view() == "runs/second");
  const std::string text = describe(kFirst);
  CHECK_THAT(text, Catch::Contains("Experiment{.loss = Smoothed{.smoothing = 0.1}, .params = "
                                   "Plain{}, .data = Plain{}, .optimizer = Plain{}, .options = "
                                   "Options{.num_epochs = 1, "));
  CHECK_THAT(text, Catch::Contains(".learning_rate = 0.0001, "));
}

TEST_CASE("a bad value throws at run time the text of the compile error", "[core][experiment]") {
  auto run = kBase;
  CHECK_NOTHROW(checked(run));
  run.options.learning_rate = -1;
  CHECK_THROWS_WITH(checked(run), "posttrain: Options.learning_rate must be positive and finite");
  run = kBase;
  run.loss.smoothing = 1.0;
  CHECK_THROWS_WITH(checked(run), "posttrain: Smoothed.smoothing must be below 1");
  CHECK_THROWS_AS(checked(run), Error);
}
