// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/environment.hpp"

#include <optional>
#include <string>

#include "support/catch.hpp"

using namespace posttrain;

namespace {

// [snippet: environment]
/// Knows the population of one city; a question that it cannot read is said to be one.
struct CityTool {
  std::string city = "Berlin";
  int population = 3'900'000;

  std::optional<Reply> operator()(const text::Conversation& so_far) const {
    const std::string said = so_far.messages.back().at("content");
    if (!said.starts_with("population(")) return std::nullopt;  // an answer: nothing follows
    if (said == "population(" + city + ")") return Reply::of("tool", std::to_string(population));
    Reply unknown = Reply::of("tool", "error: no such city");
    unknown.failed = true;
    return unknown;
  }
};
// [/snippet]

struct Silent {
  void operator()(const text::Conversation&) const {}
};
struct Texts {
  std::string operator()(const text::Conversation&) const { return ""; }
};
struct Changes {
  std::optional<Reply> operator()(const text::Conversation&) { return std::nullopt; }
};

// [snippet: record]
/// A game: the word that the policy is to guess stands in the record.
struct HiddenWord {
  std::optional<Reply> operator()(const text::Conversation& so_far, const Json& record) const {
    if (so_far.messages.back().at("content") != record.at("word")) return Reply::of("user", "No.");
    Reply right = Reply::of("user", "Yes!");
    right.ends = true;
    return right;
  }
};
// [/snippet]

static_assert(Environment<CityTool> && check_environment<CityTool>());
static_assert(Environment<HiddenWord> && check_environment<HiddenWord>());
static_assert(ReadsRecord<HiddenWord> && !ReadsRecord<CityTool>);
static_assert(!Environment<Silent> && !Environment<Texts> && !Environment<int>);
static_assert(!Environment<Changes>);  // it keeps no state between calls
static_assert(!Environment<NoEnvironment> && check_environment<NoEnvironment>());
static_assert(has_environment<CityTool> && !has_environment<NoEnvironment>);

}  // namespace

TEST_CASE("An environment says what comes behind a turn, or that nothing does",
          "[data][rollouts]") {
  const auto said = [](const std::string& text) {
    return CityTool{}(
        text::Conversation(Json::array({{{"role", "user"}, {"content", "How many live in Berlin?"}},
                                        {{"role", "assistant"}, {"content", text}}})));
  };
  const auto known = said("population(Berlin)");
  REQUIRE(known.has_value());
  CHECK(known->messages == Json::array({{{"role", "tool"}, {"content", "3900000"}}}));
  CHECK_FALSE(known->ends);
  CHECK_FALSE(known->failed);
  CHECK(said("population(Atlantis)")->failed);
  CHECK_FALSE(said("3900000").has_value());
}

TEST_CASE("Either form of an environment is one function", "[data][rollouts]") {
  const text::Conversation guess(Json::array({{{"role", "assistant"}, {"content", "tree"}}}));
  const Json record = {{"word", "tree"}};
  const AnyEnvironment game = HiddenWord{}, city = CityTool{};
  CHECK(game.reads_record());
  CHECK_FALSE(city.reads_record());
  CHECK(game(guess, &record)->ends);
  CHECK_FALSE(city(guess, nullptr).has_value());
  CHECK_FALSE(AnyEnvironment());
}
