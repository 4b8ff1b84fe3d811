// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/columns.hpp"

#include <string>

#include "support/catch.hpp"

using namespace posttrain::data;

TEST_CASE("a format reads the columns that its records are made of, and no others") {
  CHECK(reads_column(Format::messages, "tools"));
  CHECK(reads_column(Format::messages, "system"));
  CHECK(reads_column(Format::messages, "Messages"));
  CHECK(reads_column(Format::preference, "Messages"));
  CHECK_FALSE(reads_column(Format::sharegpt, "Messages"));
  CHECK_FALSE(reads_column(Format::messages, "prompt"));
  CHECK(reads_column(Format::preference, "question"));
  CHECK_FALSE(reads_column(Format::implicit_preference, "question"));
  CHECK(reads_column(Format::ranked_preference, "output"));
  CHECK_FALSE(reads_column(Format::ranked_preference, "answer"));
  CHECK(reads_column(Format::tokenized, "completion_mask"));
  CHECK_FALSE(reads_column(Format::document, "title"));
  CHECK(reads_column(Format::prompt, "anything"));  // rewards may read it
}

TEST_CASE("columns about a sample are harmless, by name or by ending") {
  for (const char* key : {"id", "source", "prompt_id", "score_chosen", "helpfulness_score",
                          "created_at", "language", "num_turns", "__index_level_0__"}) {
    INFO(key);
    CHECK(is_harmless_column(key));
  }
  for (const char* key : {"note", "explanation", "rationale", "chosen2", "text"}) {
    INFO(key);
    CHECK_FALSE(is_harmless_column(key));
  }
}
