// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/seen_tokens.hpp"

#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("seen tokens are distinct ids with the count of those sampled", "[generate]") {
  SeenTokens seen;
  CHECK(seen.tokens().empty());
  seen.add_prompt(TokenIds{5, 3, 5, 8});
  for (const TokenId id : {3, 9, 9, 3, 3}) seen.add_sampled(id);
  seen.add_prompt(TokenIds{9, 1});
  std::vector<std::pair<TokenId, std::int64_t>> found;
  for (const SeenToken& token : seen.tokens()) found.emplace_back(token.id, token.sampled);
  CHECK(found ==
        std::vector<std::pair<TokenId, std::int64_t>>{{5, 0}, {3, 3}, {8, 0}, {9, 2}, {1, 0}});
}

TEST_CASE("a copy of seen tokens counts on by itself", "[generate]") {
  SeenTokens prompt;
  prompt.add_prompt(TokenIds{1, 2});
  SeenTokens sample = prompt;
  sample.add_sampled(2);
  CHECK(prompt.tokens()[1].sampled == 0);
  CHECK(sample.tokens()[1].sampled == 1);
}
