// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/format.hpp"

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain::data;
using posttrain::Json;

namespace {

Json parse(const char* text) { return Json::parse(text); }

}  // namespace

TEST_CASE("the format of a record is told by its keys") {
  const auto format = [](const char* text) { return detect_format(parse(text)).value(); };
  CHECK(format(R"({"messages": [], "answer": 3})") == Format::messages);
  CHECK(format(R"({"Messages": [], "answer": 3})") == Format::messages);
  CHECK(format(R"({"Messages": [], "chosen": "y", "rejected": "z"})") == Format::preference);
  CHECK(format(R"({"messages": null, "Messages": []})") == Format::messages);
  CHECK_FALSE(detect_format(parse(R"({"MESSAGES": []})")).has_value());
  CHECK(format(R"({"conversations": [{"from": "human", "value": "x"}]})") == Format::sharegpt);
  CHECK(format(R"({"conversations": [{"role": "user", "content": "x"}]})") == Format::messages);
  CHECK(format(R"({"instruction": "x", "input": "", "output": "y"})") == Format::alpaca);
  CHECK(format(R"({"question": "x", "answer": "y"})") == Format::question);
  CHECK(format(R"({"prompt": "x", "completion": "y"})") == Format::prompt_completion);
  CHECK(format(R"({"prompt": "x", "completion": "y", "label": false})") ==
        Format::unpaired_preference);
  CHECK(format(R"({"prompt": "x", "chosen": "y", "rejected": "z"})") == Format::preference);
  CHECK(format(R"({"chosen": "y", "rejected": "z"})") == Format::implicit_preference);
  CHECK(format(R"({"instruction": "x", "output": ["y", "z"]})") == Format::ranked_preference);
  CHECK(format(R"({"instruction": "x", "output": "y"})") == Format::alpaca);
  CHECK(format(R"({"prompt": "x", "chosen": [], "rejected": []})") == Format::implicit_preference);
  CHECK(format(R"({"instruction": "x", "chosen": "y", "rejected": "z"})") == Format::preference);
  for (const char* key : {"question", "problem", "query", "input", "context"}) {
    const std::string asked = fmt::format(R"({{"{}": "x", "chosen": "y", "rejected": "z"}})", key);
    CHECK(format(asked.c_str()) == Format::preference);
  }
  CHECK(format(R"({"input": "x", "output": "y"})") == Format::question);
  CHECK(format(R"({"prompt": "x", "ground_truth": 3})") == Format::prompt);
  CHECK(format(R"({"text": "x"})") == Format::document);
  CHECK(format(R"("x")") == Format::document);
  CHECK(format(R"({"input_ids": [1]})") == Format::tokenized);
  CHECK(format(R"({"messages": null, "text": "x"})") == Format::document);
  CHECK_FALSE(detect_format(parse(R"({"x": 1})")).has_value());
  CHECK_FALSE(detect_format(parse("[1]")).has_value());
}

TEST_CASE("a key with the value null is no key") {
  const Json record = parse(R"({"a": null, "b": 2, "c": 3})");
  CHECK(detail::value_of(record, "a") == nullptr);
  CHECK(*detail::first_value(record, "a", "b", "c") == 2);
  CHECK(detail::first_value(record, "x", "a") == nullptr);
  CHECK(detail::keys_of(record) == "the keys a, b, c");
  CHECK(detail::keys_of(parse("{}")) == "an object without keys");
  CHECK(detail::keys_of(parse("[1]")) == "array");
}

TEST_CASE("an error lists the first keys of a record and counts the others") {
  Json record = Json::object();
  for (int i = 0; i < 30; ++i) record["k" + std::to_string(i)] = i;
  const std::string keys = posttrain::data::detail::keys_of(record);
  CHECK(keys.ends_with("k18, k19 and 10 more"));
}
