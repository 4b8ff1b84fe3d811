// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/steps.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::data;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;

TEST_CASE("solutions in steps load as their fields say [C21]", "[data][steps][C21]") {
  const TempFolder scratch;
  const auto chat = tiny_tokenizer();
  SteppedSolutions data{
      .path = scratch.write(
          "a.jsonl", R"({"prompt": "ab", "completions": ["c", "de"], "labels": [true, 0.5]})")};
  const auto batch = [&] {
    const auto loaded = data.load({.text = &chat});
    return data.kind().pack({{&loaded.train.at(0)}});
  };
  const auto rows = [&] { return batch().row; };
  const auto longs = [](const std::vector<std::int64_t>& values) {
    return at::tensor(values, at::kLong);
  };
  CHECK(at::equal(rows(), longs({3, 6})));  // at the separator behind a step
  data.step_separator = "";
  CHECK(at::equal(rows(), longs({2, 4})));
  data.last_step_only = true;
  CHECK(at::equal(rows(), longs({4})));
  CHECK(batch().label[0].item<float>() == 0.5F);
  CHECK(contains(error_of([] { SteppedSolutions{}.validate(); }), "path must not be empty"));
}
