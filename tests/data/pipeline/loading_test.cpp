// SPDX-License-Identifier: Apache-2.0
// The pipeline that all data policies share, on the one whose samples are token ids already.
#include "posttrain/data/pipeline/loading.hpp"

#include <set>

#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/tokenized.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Json;
using posttrain::Sequence;
using posttrain::SequenceKind;
using posttrain::Tokenized;
using posttrain::data::LoadContext;
using posttrain::data::LoadedData;
using posttrain::data::SequenceStore;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

/// `count` samples of 2, 3, 4, … tokens.
std::string growing_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += Json{{"input_ids", std::vector<int>(static_cast<std::size_t>(i) + 2, i)}}.dump() + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("longer sequences are dropped and counted, or truncated if asked") {
  const TempFolder scratch;
  const Tokenized source{.path = scratch.write("x.jsonl", growing_lines(10))};  // 2 … 11 tokens
  LoadContext context;
  context.max_seq_len = 6;
  const LoadedData dropped = source.load(context);
  CHECK(dropped.report.too_long == 5);
  CHECK(dropped.report.train == 5);
  CHECK(dropped.report.tokens == 2 + 3 + 4 + 5 + 6);
  CHECK(dropped.report.scored == 1 + 2 + 3 + 4 + 5);
  CHECK(contains(dropped.report.reasons[0], "x.jsonl:6: 7 tokens, more than max_seq_len = 6"));
  context.truncate = true;
  const LoadedData cut = source.load(context);
  CHECK(cut.report.truncated == 5);
  CHECK(cut.train.size() == 10);
  CHECK(cut.train[9].ids.size() == 6);
  CHECK(cut.train[9].weights.size() == 6);
}

TEST_CASE("samples without a token to score are dropped with a count [C3]", "[C3]") {
  const TempFolder scratch;
  const std::string masked = R"({"input_ids": [1, 2, 3], "labels": [1, -100, -100]})";
  const std::string late = R"({"input_ids": [1, 2, 3], "labels": [-100, -100, 3]})";
  const std::string good = R"({"input_ids": [1, 2, 3]})";
  const std::string path =
      scratch.write("x.jsonl", masked + "\n" + late + "\n" + good + "\n{\"input_ids\": []}\n");
  CHECK(Tokenized{.path = path}.load({}).report.all_masked == 2);
  LoadContext context;
  context.max_seq_len = 2;
  context.truncate = true;
  const LoadedData data = Tokenized{.path = path}.load(context);
  CHECK(data.report.all_masked == 3);  // truncation took the only scored token
  CHECK(data.report.train == 1);
  const std::string hopeless = scratch.write("y.jsonl", masked + "\n" + masked);
  const std::string error = error_of([&] { Tokenized{.path = hopeless}.load({}); });
  CHECK(contains(error, "y.jsonl: no sequence is left"));
  CHECK(contains(error, "2 dropped with no token to score"));
  CHECK(contains(error, "first: " + hopeless + ":1: no token to score"));
  const std::string empty = scratch.write("z.jsonl", "");
  CHECK(contains(error_of([&] { Tokenized{.path = empty}.load({}); }), "0 samples read"));
}

TEST_CASE("a sequence that no micro-batch can hold is an error before training") {
  const TempFolder scratch;
  const Tokenized source{.path = scratch.write("x.jsonl", growing_lines(10))};
  LoadContext context;
  context.max_tokens_per_batch = 9;
  const std::string error = error_of([&] { source.load(context); });
  CHECK(
      contains(error, "x.jsonl:10: a sequence of 11 tokens does not fit max_tokens_per_batch = 9"));
  CHECK(contains(error, "(2 do not)"));
  context.max_seq_len = 9;
  CHECK(source.load(context).report.train == 8);
}

TEST_CASE("the validation split is seeded, disjoint and complete") {
  const TempFolder scratch;
  const Tokenized source{.path = scratch.write("x.jsonl", growing_lines(20))};
  LoadContext context;
  context.validation_split = 0.25;
  context.seed = 7;
  const auto samples = [](const SequenceStore& sequences) {
    std::set<std::int64_t> result;
    for (const Sequence& sequence : sequences) result.insert(sequence.sample);
    return result;
  };
  const LoadedData first = source.load(context);
  CHECK(first.validation.size() == 5);
  CHECK(first.report.validation == 5);
  auto all = samples(first.train);
  all.merge(samples(first.validation));
  CHECK(all.size() == 20);
  CHECK(samples(source.load(context).validation) == samples(first.validation));
  context.seed = 8;
  CHECK(samples(source.load(context).validation) != samples(first.validation));
  const Tokenized one{.path = scratch.write("y.jsonl", growing_lines(1))};
  CHECK(contains(error_of([&] { one.load(context); }), "leaves none to train on"));
  const Tokenized own{.path = source.path, .validation_path = one.path};
  CHECK(contains(error_of([&] { own.load(context); }), "not both"));
  context.validation_split = 0.0;
  CHECK(own.load(context).validation.size() == 1);
  CHECK(own.load(context).train.size() == 20);
}

TEST_CASE("samples are the same if their items are, whatever the samples were") {
  posttrain::data::detail::SeenSamples seen;
  const Sequence a{{1, 2}, {0.0F, 1.0F}, 3}, other_place{{1, 2}, {0.0F, 1.0F}, 9},
      other_weight{{1, 2}, {0.0F, 0.5F}, 3};
  const auto is_new = [&](const std::vector<Sequence>& items) {
    return seen.insert(SequenceKind{}, items);
  };
  CHECK(is_new({a}));
  CHECK_FALSE(is_new({other_place}));
  CHECK(is_new({other_weight}));
  CHECK(is_new({a, a}));  // a sample of two items
}
