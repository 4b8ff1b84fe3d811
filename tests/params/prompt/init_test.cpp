// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/prompt/init.hpp"

#include <algorithm>

#include "support/catch.hpp"
#include "support/letter_model.hpp"

using namespace posttrain;

TEST_CASE("tokens of the vocabulary are drawn with all of it in reach, by seed",
          "[params][prompt]") {
  const TokenIds ids = prompt_init::sample_vocab(2000, 7, 3);
  REQUIRE(ids.size() == 2000);
  for (TokenId id = 0; id < 7; ++id) {
    CHECK(std::count(ids.begin(), ids.end(), id) == Approx(2000.0 / 7).epsilon(0.2));
  }
  CHECK(*std::max_element(ids.begin(), ids.end()) == 6);
  CHECK(prompt_init::sample_vocab(2000, 7, 3) == ids);
  CHECK(prompt_init::sample_vocab(2000, 7, 4) != ids);
  // More of them begin with the same ones.
  const TokenIds few = prompt_init::sample_vocab(5, 7, 3);
  CHECK(std::equal(few.begin(), few.end(), ids.begin()));
}

TEST_CASE("a text is cut or repeated, with the special tokens that a tokenizer adds",
          "[params][prompt]") {
  const test::WithLetters<> model{};
  CHECK(prompt_init::of_text(model, "abc", 2) == TokenIds{40, 0});
  CHECK(prompt_init::of_text(model, "abc", 4) == TokenIds{40, 0, 1, 2});
  CHECK(prompt_init::of_text(model, "abc", 6) == TokenIds{40, 0, 1, 2, 40, 0});
}

TEST_CASE("a text needs a tokenizer", "[params][prompt]") {
  struct Untold {};
  struct Mute {
    const test::Letters* text() const { return nullptr; }
  };
  CHECK_THROWS_WITH(prompt_init::of_text(Untold{}, "a", 2),
                    Catch::Contains("expected a model with a tokenizer"));
  CHECK_THROWS_WITH(prompt_init::of_text(Mute{}, "a", 2),
                    Catch::Contains("expected a model with a tokenizer"));
}
