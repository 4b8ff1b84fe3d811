// SPDX-License-Identifier: Apache-2.0
// Nodes of a template's tree, which may nest so deep and no deeper: a hostile template must not
// exhaust the stack.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/token_stream.hpp"

namespace posttrain::text::jinja {

class TreeBuilder : protected TokenStream {
 protected:
  using Kind = Expression::Kind;
  static constexpr int kDeepest = 250;

  using TokenStream::TokenStream;

  struct Nesting {
    explicit Nesting(TreeBuilder& its_parser) : parser(its_parser) {
      if (++parser.level_ > kDeepest) parser.error("nested too deeply");
    }
    ~Nesting() { --parser.level_; }
    TreeBuilder& parser;
  };

  ExpressionPtr node(Kind kind, Place place, std::string text = {}) const {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->place = place;
    made->name = std::move(text);
    return made;
  }
  void adopt(Expression& parent, ExpressionPtr child) const {
    if (child) {
      parent.depth = std::max(parent.depth, child->depth + 1);
      if (parent.depth > kDeepest) error("an expression is nested too deeply");
    }
    parent.children.push_back(std::move(child));
  }
  ExpressionPtr binary(Kind kind, std::string text, ExpressionPtr a, ExpressionPtr b) const {
    auto made = node(kind, a->place, std::move(text));
    adopt(*made, std::move(a));
    adopt(*made, std::move(b));
    return made;
  }

 private:
  int level_ = 0;
};

}  // namespace posttrain::text::jinja
