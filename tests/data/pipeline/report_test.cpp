// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/report.hpp"

#include "support/catch.hpp"

using posttrain::data::DataReport;

TEST_CASE("a report names what was dropped, and only that") {
  DataReport report;
  report.read = 4;
  report.train = 2;
  report.tokens = 30;
  report.scored = 12;
  const std::string kept =
      "4 samples read: 2 sequences for training, 0 for validation, 30 tokens, 12 of them scored";
  CHECK(report.counts() == kept);
  report.bad = 1;
  report.too_long = 2;
  report.truncated = 3;
  report.duplicates = 4;
  report.all_masked = 5;
  CHECK(report.counts() == kept +
                               "; 1 bad samples skipped; 2 dropped as longer than max_seq_len; 3 "
                               "truncated to max_seq_len; 4 duplicates dropped; 5 dropped with no "
                               "token to score");
  report.sources = {"a.jsonl: documents"};
  report.nulls = 3;
  report.cache = "written to the cache";
  report.add_reason("a.jsonl:2: expected JSON");
  CHECK(report.summary() ==
        report.counts() +
            "\n  reads a.jsonl: documents\n  keeps the null fields inside calls and "
            "schemas of tools (3); hint: drop_nulls = true leaves them out, "
            "where a table has put them in\n  written to the cache\n  "
            "a.jsonl:2: expected JSON\n");
}

TEST_CASE("reports add up, and keep the first few reasons") {
  DataReport first, second;
  first.read = second.read = 3;
  first.train = 2;
  first.validation = 1;
  second.train = 5;
  second.scored = 7;
  second.nulls = 2;
  first.sources = {"a"};
  second.sources = {"b"};
  second.cache = "made";
  for (int i = 0; i < 4; ++i) {
    first.add_reason("first");
    second.add_reason("second");
  }
  first.merge(second);
  CHECK(first.read == 6);
  CHECK(first.kept() == 8);
  CHECK(first.scored == 7);
  CHECK(first.nulls == 2);
  CHECK(first.sources == std::vector<std::string>{"a", "b"});
  CHECK(first.cache == "made");
  CHECK(first.reasons.size() == DataReport::kMaxReasons);
  CHECK(first.reasons.back() == "second");
  first.merge(second);
  CHECK(first.cache == "made; made");
}
