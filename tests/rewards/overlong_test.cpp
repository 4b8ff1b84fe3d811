// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/overlong.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Overlong>);

namespace {

double value(const Overlong& overlong, std::size_t length) {
  Sample sample = sample_of("text");
  sample.ids.assign(length, 7);
  return overlong(sample).value.value();
}

}  // namespace

TEST_CASE("the penalty grows over the buffer and stays at one beyond") {
  const Overlong overlong{.max_length = 10, .buffer = 4};
  CHECK(value(overlong, 1) == 0.0);
  CHECK(value(overlong, 6) == 0.0);
  CHECK(value(overlong, 7) == -0.25);
  CHECK(value(overlong, 9) == -0.75);
  CHECK(value(overlong, 10) == -1.0);
  CHECK(value(overlong, 11) == -1.0);
  CHECK(value(overlong, 1000) == -1.0);
  CHECK(value({.max_length = 4, .buffer = 4}, 1) == -0.25);
}

TEST_CASE("what a tool said is no length of the model's") {
  Sample sample = sample_of("text");
  sample.ids.assign(12, 7);
  sample.sampled = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1};
  CHECK(Overlong{.max_length = 10, .buffer = 4}(sample).value == -0.25);
}

TEST_CASE("defaults are those of DAPO") {
  CHECK(value({}, 16384) == 0.0);
  CHECK(value({}, 18432) == -0.5);
  CHECK(value({}, 20481) == -1.0);
}

TEST_CASE("a text without ids has no length") {
  CHECK(value_of(Overlong{}(sample_of("text"))) == "n/a");
  CHECK(value_of(Overlong{}(sample_of(""))) == "0");
}

TEST_CASE("bad lengths are refused") {
  constexpr Overlong kDefault{};
  kDefault.validate();
  CHECK_THROWS_WITH(Overlong{.buffer = 0}.validate(),
                    "posttrain: Overlong.buffer must be at least 1");
  CHECK_THROWS_WITH((Overlong{.max_length = 3, .buffer = 4}.validate()),
                    "posttrain: Overlong.max_length must be at least its buffer");
}
