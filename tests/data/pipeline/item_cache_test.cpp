// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/item_cache.hpp"

#include "posttrain/data/answers.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/steps.hpp"
#include "posttrain/data/tokenized.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using posttrain::Sequence;
using posttrain::Tokenized;
using posttrain::data::LoadContext;
using posttrain::data::LoadedData;
using posttrain::data::SequenceStore;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

std::string lines(int count, int first = 0) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += fmt::format("{{\"input_ids\": [{}, 2, 3], \"weights\": [1, 0.5, 2]}}\n", first + i);
  }
  return text;
}

bool same(const SequenceStore& a, const SequenceStore& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i) {
    const Sequence x = a[i], y = b[i];
    equal = x.ids == y.ids && x.weights == y.weights && x.sample == y.sample &&
            a.length(i) == b.length(i);
  }
  return equal;
}

std::vector<std::filesystem::path> entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    found.push_back(entry.path());
  }
  return found;
}

}  // namespace

TEST_CASE("cached data equal what is read, are found again, and change with what they come from") {
  const TempFolder scratch, cache;
  const Tokenized plain{.path = scratch.write("a.jsonl", lines(20)),
                        .validation_path = scratch.write("v.jsonl", lines(5, 100))};
  const std::string folder = cache.path().string();
  LoadContext context;
  const LoadedData expected = plain.load(context);
  context.cache_dir = folder;
  const LoadedData written = plain.load(context);
  CHECK(contains(written.report.summary(), "  written to the cache " + cache.path().string()));
  CHECK(same(written.train, expected.train));
  CHECK(same(written.validation, expected.validation));
  const LoadedData found = plain.load(context);
  CHECK(contains(found.report.cache, "from the cache"));
  CHECK(same(found.train, expected.train));
  CHECK(same(found.validation, expected.validation));
  CHECK(found.report.counts() == expected.report.counts());
  CHECK(entries(cache.path()).size() == 1);

  context.max_seq_len = 2;
  context.truncate = true;
  CHECK(contains(plain.load(context).report.cache, "written"));
  CHECK(plain.load(context).train.length(0) == 2);
  context = {};
  context.cache_dir = folder;
  scratch.write("a.jsonl", lines(21));
  CHECK(plain.load(context).train.size() == 21);
  scratch.write("v.jsonl", lines(6, 100));
  CHECK(plain.load(context).validation.size() == 6);
  CHECK(entries(cache.path()).size() == 4);
}

TEST_CASE("pairs, answers and solutions in steps are cached, too") {
  const TempFolder scratch, cache;
  const std::string folder = cache.path().string();
  const auto chat = posttrain::test::tiny_tokenizer();
  LoadContext plain;
  plain.text = &chat;
  plain.validation_split = 0.34;
  LoadContext cached = plain;
  cached.cache_dir = folder;
  const auto check = [&](const auto& policy) {
    const auto expected = policy.load(plain);
    const auto written = policy.load(cached), found = policy.load(cached);
    CHECK(contains(written.report.cache, "written"));
    CHECK(contains(found.report.cache, "from the cache"));
    CHECK(found.report.counts() == expected.report.counts());
    CHECK(found.report.sources == expected.report.sources);
    for (const auto& other : {written, found}) {
      for (const auto part : {&std::remove_cvref_t<decltype(other)>::train,
                              &std::remove_cvref_t<decltype(other)>::validation}) {
        REQUIRE((other.*part).size() == (expected.*part).size());
        REQUIRE((other.*part).size() > 0);
        for (std::size_t i = 0; i < (other.*part).size(); ++i) {
          const auto &a = (other.*part)[i], &b = (expected.*part)[i];
          CHECK(a.sample == b.sample);
          const auto parts = policy.kind().parts(a), others = policy.kind().parts(b);
          REQUIRE(parts.size() == others.size());
          for (std::size_t p = 0; p < parts.size(); ++p) {
            CHECK(parts[p].ids == others[p].ids);
            CHECK(parts[p].weights == others[p].weights);
          }
        }
      }
    }
  };
  check(posttrain::Preferences{
      .path = scratch.write("pairs.jsonl",
                            R"({"prompt": "a", "chosen": "b", "rejected": "cd", "margin": 1.5})"
                            "\n"
                            R"({"prompt": "ab", "chosen": "b", "rejected": "c"})"
                            "\n"
                            R"({"prompt": "abc", "chosen": "b", "rejected": "d"})")});
  check(posttrain::Answers{
      .path =
          scratch.write("answers.jsonl", R"({"prompt": "a", "completion": "b", "label": true})"
                                         "\n"
                                         R"({"prompt": "a", "completion": "c", "label": false})"
                                         "\n"
                                         R"({"prompt": "b", "completion": "c", "label": true})")});
  check(posttrain::SteppedSolutions{
      .path = scratch.write("steps.jsonl",
                            R"({"prompt": "a", "completions": ["b", "cd"], "labels": [1, 0.25]})"
                            "\n"
                            R"({"prompt": "", "completions": ["b"], "labels": [true]})"
                            "\n"
                            R"({"prompt": "c", "completions": ["b"], "labels": [false]})")});
}

TEST_CASE("a damaged cache is made again, and the report says so") {
  const TempFolder scratch, cache;
  const Tokenized data{.path = scratch.write("a.jsonl", lines(20))};
  const std::string folder = cache.path().string();
  const LoadedData expected = data.load({.cache_dir = folder});
  const auto file = entries(cache.path()).at(0);
  const std::string bytes = slurp(file);
  {
    posttrain::io::OutputFile out(file);
    out.write(std::string_view(bytes).substr(0, bytes.size() - 9));
  }
  const LoadedData again = data.load({.cache_dir = folder});
  CHECK(contains(again.report.cache,
                 "written to the cache again, since " + file.string() + " is damaged"));
  CHECK(same(again.train, expected.train));
  CHECK(slurp(file) == bytes);
}

TEST_CASE("data that are refused leave no cache, and a split does not depend on it") {
  const TempFolder scratch, cache;
  const Tokenized data{.path = scratch.write("a.jsonl", lines(20))};
  LoadContext context;
  context.validation_split = 0.25;
  context.seed = 3;
  const LoadedData plain = data.load(context);
  const std::string folder = cache.path().string();
  context.cache_dir = folder;
  for (int run = 0; run < 2; ++run) {
    const LoadedData cached = data.load(context);
    CHECK(same(cached.train, plain.train));
    CHECK(same(cached.validation, plain.validation));
  }
  const TempFolder other;
  const std::string elsewhere = other.path().string();
  context.cache_dir = elsewhere;
  context.max_tokens_per_batch = 2;
  CHECK(contains(error_of([&] { data.load(context); }), "does not fit"));
  CHECK(entries(other.path()).empty());
}
