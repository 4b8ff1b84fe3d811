// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/draw_row.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a row takes its numbers from Sampling", "[generate]") {
  const DrawRow row = DrawRow::of({.temperature = 0.7,
                                   .top_k = 3,
                                   .top_p = 0.9,
                                   .min_p = 0.1,
                                   .repetition_penalty = 1.1,
                                   .presence_penalty = 0.2,
                                   .frequency_penalty = 0.3},
                                  0.25);
  CHECK(row.uniform == 0.25);
  CHECK(row.temperature == 0.7);
  CHECK(row.top_k == 3);
  CHECK(row.top_p == 0.9);
  CHECK(row.min_p == 0.1);
  CHECK(row.repetition_penalty == 1.1);
  CHECK(row.presence_penalty == 0.2);
  CHECK(row.frequency_penalty == 0.3);
  CHECK(row.suppressed.empty());
  CHECK(row.seen.empty());
}
