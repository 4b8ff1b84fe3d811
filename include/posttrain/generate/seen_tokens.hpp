// SPDX-License-Identifier: Apache-2.0
// What stands in a prompt and what was sampled after it, as counts: what penalties are made of.
//
// Adding a token takes constant time, and a list of distinct ids is there at any time, so that a
// row without penalties pays nothing for its length, and one with them for its distinct ids only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain {

struct SeenToken {
  TokenId id = 0;
  std::int64_t sampled = 0;  // how often it was sampled; 0: it stands in the prompt only
};

class SeenTokens {
 public:
  void add_prompt(std::span<const TokenId> ids) {
    for (const TokenId id : ids) at(id);
  }
  void add_sampled(TokenId id) { at(id).sampled += 1; }

  /// Each id once, in the order of its first appearance; valid until the next one is added.
  std::span<const SeenToken> tokens() const { return tokens_; }

 private:
  SeenToken& at(TokenId id) {
    const auto [place, is_new] = places_.try_emplace(id, tokens_.size());
    if (is_new) tokens_.push_back({id, 0});
    return tokens_[place->second];
  }

  std::vector<SeenToken> tokens_;
  std::unordered_map<TokenId, std::size_t> places_;
};

}  // namespace posttrain
