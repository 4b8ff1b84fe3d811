// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/data_sources.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

std::string refusal(const DataSources& sources) {
  return error_of([&] { sources.validate(); });
}

}  // namespace

TEST_CASE("data are of one path, of none, or of several with shares", "[recipes]") {
  const DataSources none, empty = "", one = "a.jsonl", text = std::string("a.jsonl");
  CHECK(none.empty());
  CHECK(empty.empty());
  CHECK_FALSE(one.empty());
  REQUIRE(text.size() == 1);
  CHECK(text[0].path == "a.jsonl");
  CHECK(text[0].share == 1.0);
  const DataSources two = {{"a.jsonl", 3}, {"books"}};
  REQUIRE(two.size() == 2);
  CHECK(two[0].share == 3.0);
  CHECK(two[1].path == "books");
  CHECK(two[1].share == 1.0);
  const std::vector<DataSource> list{{"a", 1}, {"b", 2}, {"c", 4}};
  CHECK(DataSources(list).size() == 3);
  // Two texts in braces are a source of one path, and no pair of pointers.
  const DataSources alone = {{"a.jsonl", 2}};
  CHECK(alone.description() == "a.jsonl");
}

TEST_CASE("data sources say their paths, several with their shares", "[recipes]") {
  CHECK(DataSources("a.jsonl").description() == "a.jsonl");
  CHECK(DataSources({{"a.jsonl", 3}, {"books", 0.5}}).description() == "a.jsonl (3), books (0.5)");
  CHECK(DataSources().description() == "");
}

TEST_CASE("each source has a path and a positive share", "[recipes]") {
  CHECK(refusal({{"a", 1}, {"b", 0.1}}) == "");
  CHECK(refusal({{"a", 1}, {"", 1}}) ==
        "data_path: expected a path for each source, got an empty one");
  CHECK(refusal({{"a", 1}, {"b", 0}}) == "data_path: expected a positive share for b, got 0");
  CHECK(refusal({{"a", -2}, {"b", 1}}) == "data_path: expected a positive share for a, got -2");
  CHECK(refusal({{"a", 1}, {"b", std::nan("")}}) ==
        "data_path: expected a positive share for b, got nan");
}
