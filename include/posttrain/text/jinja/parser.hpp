// SPDX-License-Identifier: Apache-2.0
// From a template's source to its tree: the statements.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/jinja/ast.hpp"
#include "posttrain/text/jinja/expression_parser.hpp"
#include "posttrain/text/jinja/lexer.hpp"

namespace posttrain::text::jinja {

class Parser : ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(Lexer(source).run()) {}

  Body run() {
    Body body = statements({});
    if (peek().kind != TokenKind::kEnd) error("unexpected '" + peek().spelled() + "'");
    return body;
  }

 private:
  /// Statements up to a block whose name is in `ends`; that name is left as the next token.
  Body statements(std::initializer_list<std::string_view> ends) {
    const Nesting level(*this);
    Body body;
    while (peek().kind != TokenKind::kEnd) {
      const Token& token = peek();
      if (token.kind == TokenKind::kText) {
        auto made = statement(Statement::Kind::kText);
        made->text = next().text;
        body.push_back(std::move(made));
      } else if (token.kind == TokenKind::kPrintBegin) {
        auto made = statement(Statement::Kind::kPrint);
        ++at_;
        made->value = tuple();
        if (peek().kind != TokenKind::kPrintEnd) {
          error(fmt::format("expected '}}}}', got '{}'", peek().spelled()));
        }
        ++at_;
        refuse_unknown();
        body.push_back(std::move(made));
      } else if (token.kind == TokenKind::kBlockBegin) {
        ++at_;
        if (peek().kind == TokenKind::kName) {
          for (const std::string_view end : ends) {
            if (peek().text == end) return body;
          }
        }
        body.push_back(block());
      } else {
        error(fmt::format("unexpected '{}'", token.spelled()));
      }
    }
    if (ends.size() > 0) error(fmt::format("expected '{}' before the end", *(ends.end() - 1)));
    return body;
  }

  StatementPtr statement(Statement::Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->place = peek().place;
    return made;
  }

  /// A body with names of its own.
  Body body_until(std::string_view end) {
    expect_block_end();
    Body body = inner({end});
    expect_name(end);
    expect_block_end();
    return body;
  }
  Body inner(std::initializer_list<std::string_view> ends) {
    const int conditional = std::exchange(conditional_, 0);
    Body body = statements(ends);
    conditional_ = conditional;
    return body;
  }
  /// A body that runs as a function of its own, so that no loop around it can be left from it.
  Body function_until(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body body = body_until(end);
    loops_ = loops;
    return body;
  }

  StatementPtr block() {
    const Place place = peek().place;
    const std::string tag = name();
    StatementPtr made;
    if (tag == "for") {
      made = for_block();
    } else if (tag == "if") {
      made = if_block();
    } else if (tag == "set") {
      made = set_block();
    } else if (tag == "macro") {
      made = statement(Statement::Kind::kMacro);
      made->text = name();
      macro_parameters(*made);
      macro_body(*made, "endmacro");
    } else if (tag == "call") {
      made = statement(Statement::Kind::kCallBlock);
      if (is_operator("(")) macro_parameters(*made);
      made->value = expression();
      if (made->value->kind != Kind::kCall) error("expected a call");
      macro_body(*made, "endcall");
    } else if (tag == "filter") {
      made = statement(Statement::Kind::kFilter);
      made->value = filters(nullptr, true);
      made->body = body_until("endfilter");
    } else if (tag == "generation") {
      made = statement(Statement::Kind::kGeneration);
      made->body = function_until("endgeneration");
    } else if (tag == "with") {
      made = statement(Statement::Kind::kWith);
      while (peek().kind != TokenKind::kBlockEnd) {
        if (!made->parameters.empty()) expect_operator(",");
        Parameter binding;
        binding.name = name();
        expect_operator("=");
        binding.preset = expression();
        made->parameters.push_back(std::move(binding));
      }
      made->body = body_until("endwith");
    } else if (tag == "break" || tag == "continue") {
      if (loops_ == 0) error(fmt::format("'{}' outside a loop", tag));
      made = statement(tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      expect_block_end();
    } else {
      error(fmt::format("the block '{}' is not supported", tag));
    }
    made->place = place;
    refuse_unknown();
    return made;
  }

  StatementPtr for_block() {
    auto made = statement(Statement::Kind::kFor);
    made->target = target();
    if (made->target->kind == Kind::kName && made->target->name == "loop") {
      error("'loop' cannot be a loop's target");
    }
    expect_name("in");
    made->value = tuple(false);
    if (skip_name("if")) made->condition = expression();
    made->recursive = skip_name("recursive");
    expect_block_end();
    ++loops_;
    made->body = inner({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      expect_block_end();
      made->otherwise = inner({"endfor"});
    }
    expect_name("endfor");
    expect_block_end();
    return made;
  }

  StatementPtr if_block() {
    const Nesting level(*this);
    auto made = statement(Statement::Kind::kIf);
    ++conditional_;
    made->value = tuple(false);
    expect_block_end();
    made->body = statements({"elif", "else", "endif"});
    if (skip_name("elif")) {
      made->otherwise.push_back(if_block());
      --conditional_;
      return made;
    }
    if (skip_name("else")) {
      expect_block_end();
      made->otherwise = statements({"endif"});
    }
    expect_name("endif");
    expect_block_end();
    --conditional_;
    return made;
  }

  StatementPtr set_block() {
    auto made = statement(Statement::Kind::kSet);
    made->target = target();
    if (skip_operator("=")) {
      made->value = tuple();
      expect_block_end();
      return made;
    }
    made->kind = Statement::Kind::kSetBlock;
    if (is_operator("|")) made->value = filters(nullptr, false);
    made->body = body_until("endset");
    return made;
  }

  /// A name, ns.attribute, or several names.
  ExpressionPtr target() {
    const Place place = peek().place;
    std::vector<ExpressionPtr> parts;
    bool several = false;
    do {
      if (!parts.empty() && is_name("in")) break;
      const bool nested = skip_operator("(");
      if (nested) {
        parts.push_back(target());
        expect_operator(")");
      } else {
        auto part = node(Kind::kName, place, name());
        if (skip_operator(".")) {
          auto attribute = node(Kind::kAttribute, place, name());
          adopt(*attribute, std::move(part));
          part = std::move(attribute);
        }
        parts.push_back(std::move(part));
      }
      several = several || is_operator(",");
    } while (skip_operator(","));
    if (!several) return std::move(parts[0]);
    auto made = node(Kind::kTuple, place);
    for (auto& part : parts) adopt(*made, std::move(part));
    return made;
  }

  void macro_parameters(Statement& macro) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      Parameter parameter;
      parameter.name = name();
      if (skip_operator("=")) {
        parameter.preset = expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().preset) {
        error("a parameter without a default follows one with a default");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    expect_operator(")");
  }

  void macro_body(Statement& macro, std::string_view end) {
    const std::size_t from = at_;
    macro.body = function_until(end);
    // A macro takes surplus arguments only if it asks for them by these names.
    for (std::size_t i = from; i < at_; ++i) {
      if (tokens_[i].kind != TokenKind::kName) continue;
      macro.takes_varargs = macro.takes_varargs || tokens_[i].text == "varargs";
      macro.takes_kwargs = macro.takes_kwargs || tokens_[i].text == "kwargs";
      macro.takes_caller = macro.takes_caller || tokens_[i].text == "caller";
    }
  }

  int loops_ = 0;
};

}  // namespace posttrain::text::jinja
