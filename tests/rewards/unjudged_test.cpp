// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/unjudged.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Unjudged> && !ChecksAnswers<Unjudged>);

TEST_CASE("Nothing is judged where nothing is to be", "[rewards]") {
  const Verdict verdict = Unjudged{}(sample_of("anything", "at all"));
  CHECK_FALSE(verdict.applicable());
  CHECK_FALSE(verdict.reason.empty());
}
