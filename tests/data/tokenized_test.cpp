// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/tokenized.hpp"

#include <set>

#include "posttrain/data/pipeline/loading.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Sequence;
using posttrain::TokenIds;
using posttrain::Tokenized;
using posttrain::data::Json;
using posttrain::data::LoadContext;
using posttrain::data::LoadedData;
using posttrain::data::SequenceStore;
using posttrain::data::tokenized_sequence;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

std::string sequence_error(const char* json) {
  return error_of([&] { tokenized_sequence(Json::parse(json)); });
}

/// `count` samples of 2, 3, 4, … tokens.
std::string growing_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += Json{{"input_ids", std::vector<int>(static_cast<std::size_t>(i) + 2, i)}}.dump() + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("labels say which tokens are scored, by place and never by value [C7]", "[C7]") {
  const Sequence sequence = tokenized_sequence(
      Json::parse(R"({"input_ids": [0, 5, 0, 7, 0], "labels": [0, -100, 0, 7, 0]})"));
  CHECK(sequence.ids == TokenIds{0, 5, 0, 7, 0});
  CHECK(sequence.weights == std::vector<float>{0, 0, 1, 1, 1});
  CHECK(sequence.counted() == 3);
  const Sequence plain = tokenized_sequence(Json::parse(R"({"input_ids": [3, 4, 5]})"));
  CHECK(plain.weights == std::vector<float>{0, 1, 1});
  const Sequence weighted = tokenized_sequence(Json::parse(
      R"({"input_ids": [3, 4, 5], "weights": [9, 0.5, 2], "labels": [-100, 4, -100]})"));
  CHECK(weighted.weights == std::vector<float>{0, 0.5, 0});
}

TEST_CASE("a sample that is not what it should be is a clear reason") {
  CHECK(contains(sequence_error("[1]"), "expected a list 'input_ids'"));
  CHECK(contains(sequence_error(R"({"input_ids": 3})"), "expected a list 'input_ids'"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, -2]})"), "input_ids[1]"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, 2.5]})"), "input_ids[1]"));
  CHECK(contains(sequence_error(R"({"input_ids": [4294967296]})"), "input_ids[0]"));
  CHECK(contains(sequence_error(R"({"input_ids": [1], "labels": []})"), "as many 'labels'"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, 2], "labels": [2, -100]})"), "not shifted"));
  CHECK(contains(sequence_error(R"({"input_ids": [1], "weights": [-1]})"), "weights[0]"));
}

TEST_CASE("a malformed line stops with file, line and reason, or is counted if asked") {
  const TempFolder scratch;
  const std::string path = scratch.write(
      "x.jsonl",
      "{\"input_ids\": [1, 2]}\n{\"input_ids\": \n{\"ids\": [1]}\n{\"input_ids\": [3, 4]}");
  const std::string error = error_of([&] { Tokenized{.path = path}.load({}); });
  CHECK(contains(error, "x.jsonl:2: expected JSON"));
  CHECK(contains(error, "hint: skip_bad_samples = true"));
  const LoadedData data = Tokenized{.path = path}.load({.skip_bad_samples = true});
  CHECK(data.report.read == 4);
  CHECK(data.report.bad == 2);
  CHECK(data.report.kept() == 2);
  CHECK(data.train[1].sample == 3);
  REQUIRE(data.report.reasons.size() == 2);
  CHECK(contains(data.report.reasons[1], "x.jsonl:3: expected a list 'input_ids'"));
  CHECK(contains(data.report.summary(), "2 bad samples skipped"));
}

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

TEST_CASE("bad options are refused at compile time and at run time with the same words") {
  constexpr Tokenized kGood{.path = "x.jsonl"};
  static_assert((kGood.validate(), true));
  CHECK(contains(error_of([] { Tokenized{}.validate(); }), "path must not be empty"));
  CHECK(contains(error_of([] { Tokenized{.path = "x"}.load({.validation_split = 1.0}); }),
                 "validation_split must be in [0, 1)"));
}
