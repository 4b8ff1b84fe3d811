// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/text_data.hpp"

#include "posttrain/recipes/sft.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::string tokens(int count, int first) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{{\"input_ids\": [{}, 1]}}\n", first + i);
  return text;
}

}  // namespace

TEST_CASE("members say which kind of texts is read, and where what was made of them goes",
          "[recipes]") {
  const TextData chats = text_data(SftOptions{.data_path = "a.jsonl",
                                              .ckpt_output_dir = "out",
                                              .unmask_messages = true,
                                              .validation_data_path = "b.jsonl"});
  CHECK(chats.kind == TextKind::conversations);
  CHECK(chats.path.description() == "a.jsonl");
  CHECK(chats.unmask);
  CHECK(chats.validation_path.view() == "b.jsonl");
  CHECK(chats.output.description() == "out/data");
  const TextData documents = text_data(SftOptions{.ckpt_output_dir = "out",
                                                  .data_output_dir = "elsewhere",
                                                  .is_pretraining = true,
                                                  .block_size = 64,
                                                  .document_column_name = "body"});
  CHECK(documents.kind == TextKind::documents);
  CHECK(documents.block_size == 64);
  CHECK(documents.document_column.view() == "body");
  CHECK(documents.output.description() == "elsewhere");
  CHECK(text_data(SftOptions{.use_processed_dataset = true}).kind == TextKind::tokens);
  CHECK(error_of([] { text_data(SftOptions{.block_size = 64}); }) ==
        "block_size needs is_pretraining = true");
}

TEST_CASE("the policy of the kind checks its values", "[recipes]") {
  const auto refusal = [](const TextData& data) { return error_of([&] { data.validate(); }); };
  CHECK(refusal({.path = "a"}) == "");
  CHECK(refusal({.path = {{"a", 0}}}) == "data_path: expected a positive share for a, got 0");
  CHECK(contains(refusal({.path = "a", .kind = TextKind::documents, .block_size = 2}),
                 "Documents.block_size must be"));
}

TEST_CASE("sources are drawn from by their shares, in their order", "[recipes]") {
  const TempFolder scratch;
  const std::string a = scratch.write("a.jsonl", tokens(4, 100)),
                    b = scratch.write("b.jsonl", tokens(5, 200)),
                    c = scratch.write("c.jsonl", tokens(6, 300)),
                    held_out = scratch.write("held-out.jsonl", tokens(2, 900));
  const ProcessedFiles output((scratch / "out").string());
  const TextData data{.path = {{a, 1}, {b, 4}, {c, 5}},
                      .kind = TextKind::tokens,
                      .validation_path = held_out,
                      .output = output};
  const data::LoadedData loaded = data.load({});
  REQUIRE(loaded.parts.size() == 3);
  const std::int64_t counts[] = {4, 5, 6};
  const double shares[] = {0.1, 0.4, 0.5};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(loaded.parts[i].sequences == counts[i]);
    CHECK(loaded.parts[i].share == Approx(shares[i]));
  }
  CHECK(loaded.train.size() == 15);
  CHECK(loaded.train[4].ids[0] == 200);
  CHECK(loaded.validation.size() == 2);
  CHECK(loaded.report.sources.size() == 4);
  output.on(event::TrainBegin{});
  CHECK(contains(slurp(scratch / "out/data.jsonl"), "\"input_ids\":[305,1]"));
  CHECK(contains(slurp(scratch / "out/validation.jsonl"), "\"input_ids\":[901,1]"));
}

TEST_CASE("one source is drawn from as a whole", "[recipes]") {
  const TempFolder scratch;
  const std::string a = scratch.write("a.jsonl", tokens(4, 100));
  const data::LoadedData loaded = TextData{.path = a, .kind = TextKind::tokens}.load({});
  CHECK(loaded.parts.empty());
  CHECK(loaded.train.size() == 4);
}
