// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/loaded.hpp"

#include <cmath>
#include <type_traits>

#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using posttrain::AnswerPair;
using posttrain::PairKind;
using posttrain::SequenceKind;
using posttrain::test::error_of;

// Only sequences may lie in a mapped file.
static_assert(std::is_same_v<LoadedOf<SequenceKind>, LoadedData>);
static_assert(std::is_same_v<LoadedOf<PairKind>, LoadedItems<AnswerPair>>);

TEST_CASE("limits that mean nothing are refused, nan included") {
  constexpr LoadContext kGood{.max_seq_len = 1, .validation_split = 0.5};
  static_assert((kGood.validate(), true));
  CHECK(error_of([] { LoadContext{.max_seq_len = -1}.validate(); }) ==
        "posttrain: max_seq_len must not be negative");
  for (const double share : {-0.1, 1.0, std::nan("")}) {
    CHECK(error_of([&] { LoadContext{.validation_split = share}.validate(); }) ==
          "posttrain: validation_split must be in [0, 1)");
  }
  CHECK(error_of([] { Source{}.validate(); }) == "posttrain: the data's path must not be empty");
}
