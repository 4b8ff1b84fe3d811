// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/sequence.hpp"

#include "support/catch.hpp"

using posttrain::Sequence;

TEST_CASE("the first token of a sequence counts for nothing, whatever its weight") {
  CHECK(Sequence{}.counted() == 0);
  CHECK(Sequence{{5}, {1.0F}}.counted() == 0);
  CHECK(Sequence{{5, 6, 7, 8}, {1.0F, 0.0F, 0.5F, 2.0F}}.counted() == 2);
  CHECK(Sequence{{5, 6}, {1.0F, 0.0F}}.counted() == 0);
}
