// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/record_loading.hpp"

#include "posttrain/batch/sequence_kind.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using posttrain::Sequence;
using posttrain::SequenceKind;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;

namespace {

/// One sequence of each prompt, as long as its text.
LoadedData load(const Source& source, const LoadContext& context,
                const std::string& configuration = "prompts") {
  return load_records<PromptRecord>(
      SequenceKind{}, source, context,
      [](const posttrain::text::ChatTokenizer&, const PromptRecord& record) {
        const std::size_t length = record.prompt.text.size();
        return std::vector{Sequence{posttrain::TokenIds(length, 7), std::vector<float>(length, 1)}};
      },
      configuration);
}

}  // namespace

TEST_CASE("records become items, and the report names the format of each path") {
  const TempFolder scratch, cache;
  const auto chat = posttrain::test::tiny_tokenizer();
  const std::string path =
      scratch.write("a.jsonl", "{\"prompt\": \"abc\"}\n{\"prompt\": \"de\"}\n");
  const std::string held_out = scratch.write("v.jsonl", R"({"prompt": "xyz"})");
  const std::string folder = cache.path().string();
  const std::vector<std::string> sources{path + ": prompts", held_out + ": prompts"};
  // The second time all of it comes from the cache, and the formats are still named.
  for (const char* what : {"written to the cache", "from the cache"}) {
    const LoadedData data = load({path, held_out}, {.text = &chat, .cache_dir = folder});
    REQUIRE(data.train.size() == 2);
    CHECK(data.train.length(0) == 3);
    CHECK(data.train.sample(1) == 1);
    CHECK(data.validation.size() == 1);
    CHECK(data.report.sources == sources);
    CHECK(contains(data.report.cache, what));
  }
  CHECK(contains(load({path}, {.text = &chat, .cache_dir = folder}, "others").report.cache,
                 "written"));
}

TEST_CASE("records of another format, and records without a tokenizer, are refused") {
  const TempFolder scratch;
  const auto chat = posttrain::test::tiny_tokenizer();
  const std::string path = scratch.write("a.jsonl", R"({"text": "abc"})");
  CHECK(contains(error_of([&] { load({path}, {.text = &chat}); }), "a.jsonl:1: expected prompts"));
  CHECK(contains(error_of([&] { load({path}, {}); }),
                 "need a tokenizer; hint: the model's folder must hold a tokenizer.json"));
}
