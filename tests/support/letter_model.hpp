// SPDX-License-Identifier: Apache-2.0
// A model with a tokenizer of one token per letter, which puts token 40 first.
#pragma once

#include <string>

#include "posttrain/base/sequence.hpp"

namespace posttrain::test {

struct Letters {
  struct Tokenizer {
    TokenIds encode(const std::string& text, bool add_special_tokens) const {
      TokenIds ids;
      if (add_special_tokens) ids.push_back(40);
      for (const char letter : text) ids.push_back(letter - 'a');
      return ids;
    }
  };
  Tokenizer own{};
  const Tokenizer& tokenizer() const { return own; }
};

struct NoModel {};

/// `Model` with such a tokenizer.
template <class Model = NoModel>
struct WithLetters : Model {
  using Model::Model;
  Letters letters{};
  const Letters* text() const { return &letters; }
};

}  // namespace posttrain::test
