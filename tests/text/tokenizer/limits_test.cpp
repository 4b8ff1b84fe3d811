// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/limits.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/text/tokenizer.hpp"
#include "posttrain/text/tokenizer/post_processor.hpp"
#include "support/catch.hpp"

using namespace posttrain::text;

TEST_CASE("A text may become 64 KiB and 32 times its size") {
  CHECK(largest_rewriting(0) == 65536);
  CHECK(largest_rewriting(1000) == 65536 + 32000);
  CHECK(largest_rewriting(std::numeric_limits<std::size_t>::max()) > 1ULL << 60U);
  CHECK_NOTHROW(check_rewriting(10, 10));
  CHECK_THROWS_WITH(check_rewriting(11, 10), Catch::Contains("more than 10 bytes of a text"));
  CHECK_NOTHROW(check_steps(100, "decoder"));
  CHECK_THROWS_WITH(check_steps(101, "decoder"), Catch::Contains("at most 100 steps"));
}

TEST_CASE(
    "A tokenizer.json that nests sequences too deeply or for too long is refused in one line") {
  const nlohmann::json model = {
      {"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", nlohmann::json::array()}};
  struct Kind {
    const char *key, *list, *leaf;
  };
  for (const Kind kind : {Kind{"normalizer", "normalizers", R"({"type":"NFC"})"},
                          Kind{"pre_tokenizer", "pretokenizers", R"({"type":"Whitespace"})"},
                          Kind{"decoder", "decoders", R"({"type":"Fuse"})"},
                          Kind{"post_processor", "processors", R"({"type":"ByteLevel"})"}}) {
    const auto file = [&](int levels) {
      std::string nested = kind.leaf;
      for (int i = 0; i < levels; ++i) {
        nested = std::string(R"({"type":"Sequence",")") + kind.list + "\":[" + nested + "]}";
      }
      return "{\"model\":" + model.dump() + ",\"" + kind.key + "\":" + nested + "}";
    };
    INFO(kind.key);
    CHECK_NOTHROW(Tokenizer::from_json(file(100)));
    std::string deep = file(0);  // 30,000 levels, written at once
    deep.resize(deep.find(kind.leaf));
    const std::string open = std::string(R"({"type":"Sequence",")") + kind.list + "\":[";
    for (int i = 0; i < 30000; ++i) deep += open;
    deep += kind.leaf;
    for (int i = 0; i < 30000; ++i) deep += "]}";
    CHECK_THROWS_WITH(Tokenizer::from_json(deep + "}"),
                      Catch::Contains("tokenizer.json: expected JSON that nests at most 500 deep"));
  }
  const std::string regex = std::string(R"({"model":)") + model.dump() +
                            R"(,"pre_tokenizer":{"type":"Split","behavior":"Isolated",)" +
                            R"("pattern":{"Regex":")" + std::string(15000, '[') + "\"}}}";
  CHECK_THROWS_WITH(Tokenizer::from_json(regex), Catch::Contains("nest at most 100 deep"));
  nlohmann::json many = nlohmann::json::array();
  for (int i = 0; i < 101; ++i) many.push_back({{"type", "ByteLevel"}});
  CHECK_THROWS_WITH(PostProcessor(nlohmann::json{{"type", "Sequence"}, {"processors", many}}),
                    Catch::Contains("at most 100 steps in the post-processor"));
}
