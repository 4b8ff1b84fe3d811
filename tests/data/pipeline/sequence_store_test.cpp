// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/sequence_store.hpp"

#include <memory>
#include <vector>

#include "posttrain/data/pipeline/sequence_file.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Sequence;
using posttrain::TokenId;
using posttrain::data::SequenceFile;
using posttrain::data::SequenceFileWriter;
using posttrain::data::SequenceStore;
using posttrain::test::TempFolder;

namespace {

/// `count` sequences of 1, 2, … tokens that begin with first, first + 1, …
SequenceStore in_memory(int count, TokenId first) {
  SequenceStore store;
  for (int i = 0; i < count; ++i) {
    const auto length = static_cast<std::size_t>(i) + 1;
    store.push_back({std::vector<TokenId>(length, first + i), std::vector<float>(length, 1.0F), i});
  }
  return store;
}

std::vector<TokenId> firsts(const SequenceStore& store) {
  std::vector<TokenId> all;
  for (const Sequence& sequence : store) all.push_back(sequence.ids.at(0));
  return all;
}

}  // namespace

TEST_CASE("a store of memory and of a file's middle reads the same") {
  const TempFolder scratch;
  SequenceFileWriter writer(scratch / "a");
  for (const Sequence& sequence : in_memory(6, 10)) writer.push_back(sequence);
  writer.finish("");
  const auto file = std::make_shared<const SequenceFile>(scratch / "a");
  const SequenceStore whole = in_memory(6, 10), middle(file, 2, 5);
  REQUIRE(middle.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(middle[i].ids == whole[i + 2].ids);
    CHECK(middle.length(i) == whole.length(i + 2));
    CHECK(middle.sample(i) == static_cast<std::int64_t>(i) + 2);
  }
  CHECK(SequenceStore{}.empty());
}

TEST_CASE("stores are joined with samples counted on, and parts taken in order") {
  SequenceStore joined = in_memory(3, 10);
  joined.append(in_memory(2, 20), 3);
  joined.push_back({{30}, {1.0F}, 5});
  CHECK(firsts(joined) == std::vector<TokenId>{10, 11, 12, 20, 21, 30});
  for (std::size_t i = 0; i < 6; ++i) CHECK(joined[i].sample == static_cast<std::int64_t>(i));
  const SequenceStore odd = joined.where([](std::size_t i) { return i % 2 == 1; });
  CHECK(firsts(odd) == std::vector<TokenId>{11, 20, 30});
  CHECK(odd.sample(1) == 3);
}

TEST_CASE("a part of a store does not see what is added to the store later") {
  SequenceStore store = in_memory(2, 10);
  SequenceStore part = store.where([](std::size_t) { return true; });
  store.push_back({{99}, {1.0F}, 2});
  part.push_back({{77}, {1.0F}, 2});
  CHECK(firsts(store) == std::vector<TokenId>{10, 11, 99});
  CHECK(firsts(part) == std::vector<TokenId>{10, 11, 77});
}
