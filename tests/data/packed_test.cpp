// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/packed.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/data/tokenized.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Packed;
using posttrain::Tokenized;
using namespace posttrain::data;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

TEST_CASE("another packing changes nothing of the data") {
  const TempFolder scratch;
  const Tokenized plain{
      .path = scratch.write("a.jsonl", "{\"input_ids\": [1, 2]}\n{\"input_ids\": [3, 4]}")};
  const Packed packed{plain, NoPacking{}};
  const LoadedData expected = plain.load({}), data = packed.load({});
  REQUIRE(data.train.size() == 2);
  CHECK(data.train[1].ids == expected.train[1].ids);
  CHECK(packed.packing.pack(std::vector<std::int64_t>{2, 2}, 8).size() == 2);
  CHECK(posttrain::describe(packed) ==
        "Packed{.data = " + posttrain::describe(plain) + ", .packing = NoPacking{}}");
}

TEST_CASE("the inner data are checked, too") {
  constexpr Packed kGood{Tokenized{.path = "a"}, NoPacking{}};
  static_assert((kGood.validate(), true));
  CHECK(error_of([] {
          Packed{Tokenized{}, NoPacking{}}.validate();
        }) == "posttrain: the data's path must not be empty");
}
