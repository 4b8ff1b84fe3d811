// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/sequence_kind.hpp"

#include "posttrain/concepts/kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

static_assert(ItemKind<SequenceKind> && !PacksSteps<SequenceKind>);

TEST_CASE("a sequence counts what the loss scores, never its first token", "[batch]") {
  Sequence sequence{{5, 6, 7, 8}, {1.0F, 0.0F, 0.5F, 1.0F}, 9};
  CHECK(SequenceKind::tokens(sequence) == 4);
  CHECK(SequenceKind::length(sequence) == 4);
  CHECK(SequenceKind::counted(sequence) == 2);
  const std::vector<Sequence> parts = SequenceKind::parts(sequence);
  CHECK(SequenceKind::from_parts(parts).sample == 9);
  CHECK(SequenceKind::from_parts(parts).weights == sequence.weights);
  REQUIRE(SequenceKind::truncate(sequence, 3));
  CHECK(sequence.ids == TokenIds{5, 6, 7});
  CHECK(sequence.weights == std::vector<float>{1.0F, 0.0F, 0.5F});
  CHECK(SequenceKind::counted(sequence) == 1);
}
