// SPDX-License-Identifier: Apache-2.0
// A token that is cut out of the text before the model sees it (text/tokenizer/added_tokens.hpp).
#pragma once

#include <string>

#include "posttrain/base/sequence.hpp"

namespace posttrain::text {

struct AddedToken {
  TokenId id = 0;
  std::string content{};
  bool special = false;
  bool normalized = false;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
};

}  // namespace posttrain::text
