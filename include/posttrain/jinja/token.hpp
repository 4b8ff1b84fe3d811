// SPDX-License-Identifier: Apache-2.0
// Tokens of a template, and places in it.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain::text::jinja {

/// Counted from 1; columns in characters.
struct Place {
  int line = 1;
  int column = 1;
};

[[noreturn]] inline void raise_at(Place place, std::string_view message) {
  raise("chat template, line {}, column {}: {}", place.line, place.column, message);
}

enum class TokenKind {
  kText,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  Place place;

  /// For messages.
  std::string spelled() const {
    switch (kind) {
      case TokenKind::kPrintBegin:
        return "{{";
      case TokenKind::kPrintEnd:
        return "}}";
      case TokenKind::kBlockBegin:
        return "{%";
      case TokenKind::kBlockEnd:
        return "%}";
      case TokenKind::kEnd:
        return "the end of the template";
      default:
        return text;
    }
  }
};

}  // namespace posttrain::text::jinja
