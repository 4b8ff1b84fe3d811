// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/tokenized.hpp"

#include "posttrain/data/formats/reader.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::Json;
using posttrain::Sequence;
using posttrain::TokenIds;
using posttrain::Tokenized;
using posttrain::data::LoadedData;
using posttrain::data::tokenized_sequence;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

std::string sequence_error(const char* json) {
  return error_of([&] { tokenized_sequence(Json::parse(json)); });
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

TEST_CASE("masks act under the names in use, padding is left out") {
  const auto weights = [](const char* json) {
    return tokenized_sequence(Json::parse(json)).weights;
  };
  CHECK(weights(R"({"input_ids": [1, 2, 3, 4], "completion_mask": [0, 0, 1, 1]})") ==
        std::vector<float>{0, 0, 1, 1});
  CHECK(weights(R"({"input_ids": [1, 2, 3], "assistant_masks": [false, true, false],
                    "weights": [1, 0.5, 1]})") == std::vector<float>{0, 0.5, 0});
  CHECK(weights(R"({"input_ids": [1, 2, 3], "loss_mask": [1, 1, 0], "labels": [1, -100, 3]})") ==
        std::vector<float>{0, 0, 0});
  const Sequence unpadded = tokenized_sequence(Json::parse(
      R"({"input_ids": [0, 0, 5, 6, 7, 0], "attention_mask": [0, 0, 1, 1, 1, 0],
          "labels": [-100, -100, 5, 6, 7, -100], "position_ids": [0, 0, 0, 1, 2, 0]})"));
  CHECK(unpadded.ids == TokenIds{5, 6, 7});
  CHECK(unpadded.weights == std::vector<float>{0, 1, 1});
  CHECK(contains(sequence_error(R"({"input_ids": [1], "completion_mask": [2]})"),
                 "expected completion_mask[0] to be 0 or 1, got 2"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, 2], "completion_mask": [1]})"),
                 "as many 'completion_mask' as 'input_ids' (2), got 1"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, 2, 3], "attention_mask": [1, 0, 1]})"),
                 "zeros of 'attention_mask' at its ends"));
  CHECK(contains(sequence_error(R"({"input_ids": [1, 2, 3], "position_ids": [0, 1, 0]})"),
                 "expected position_ids[2] to be 2, got 0"));
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
  CHECK(contains(data.report.reasons[1],
                 "x.jsonl:3: expected token ids (input_ids), got the keys ids"));
  CHECK(contains(data.report.summary(), "2 bad samples skipped"));
}

TEST_CASE("bad options are refused at compile time and at run time with the same words") {
  constexpr Tokenized kGood{.path = "x.jsonl"};
  static_assert((kGood.validate(), true));
  CHECK(contains(error_of([] { Tokenized{}.validate(); }), "path must not be empty"));
  CHECK(contains(error_of([] { Tokenized{.path = "x"}.load({.validation_split = 1.0}); }),
                 "validation_split must be in [0, 1)"));
}
