// SPDX-License-Identifier: Apache-2.0
// From a template's source to its tree: the statements.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/lexer.hpp"
#include "posttrain/jinja/target_parser.hpp"

namespace posttrain::text::jinja {

class Parser : TargetParser {
 public:
  explicit Parser(std::string_view source) : TargetParser(Lexer(source).run()) {}

  Tree run() {
    Tree tree{statements({}), {}};
    if (peek().kind != TokenKind::kEnd) error("unexpected '" + peek().spelled() + "'");
    tree.blocks = std::move(blocks_);
    return tree;
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

  /// The end of the tag before a body; Jinja allows Python's colon there.
  void open_body() {
    skip_operator(":");
    expect_block_end();
  }
  /// A body with names of its own.
  Body body_until(std::string_view end) {
    open_body();
    Body body = inner({end});
    expect_name(end);
    expect_block_end();
    return body;
  }
  Body inner(std::initializer_list<std::string_view> ends) {
    const int conditional = std::exchange(conditional_, 0);
    ++bodies_;
    Body body = statements(ends);
    --bodies_;
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
      made = with_block();
    } else if (tag == "autoescape") {
      made = statement(Statement::Kind::kAutoescape);
      made->value = expression();
      made->body = body_until("endautoescape");
    } else if (tag == "block") {
      made = named_block();
    } else if (tag == "print") {
      made = print_block();
    } else if (tag == "break" || tag == "continue") {
      if (loops_ == 0) error(fmt::format("'{}' outside a loop", tag));
      made = statement(tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      expect_block_end();
    } else if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
      if (tag == "extends" && bodies_ > 0) error("'extends' stands inside another block");
      made = other_file(tag);
      expect_block_end();
    } else {
      error(fmt::format("the block '{}' is not supported", tag));
    }
    made->place = place;
    refuse_unknown();
    return made;
  }

  StatementPtr with_block() {
    auto made = statement(Statement::Kind::kWith);
    while (peek().kind != TokenKind::kBlockEnd) {
      if (!made->bindings.empty()) expect_operator(",");
      auto names = target(false);
      expect_operator("=");
      made->bindings.emplace_back(std::move(names), expression());
    }
    made->body = body_until("endwith");
    return made;
  }

  StatementPtr named_block() {
    auto made = statement(Statement::Kind::kBlock);
    made->text = name();
    made->scoped = skip_name("scoped");
    made->required = skip_name("required");
    for (const Statement* other : blocks_) {
      if (other->text == made->text) error(fmt::format("two blocks '{}'", made->text));
    }
    blocks_.push_back(made.get());
    open_body();
    const int loops = std::exchange(loops_, 0);
    made->body = inner({"endblock"});
    loops_ = loops;
    expect_name("endblock");
    skip_name(made->text);
    expect_block_end();
    for (const StatementPtr& part : made->body) {
      const bool blank = part->kind == Statement::Kind::kText && trimmed_length(part->text) == 0;
      if (made->required && !blank) error("a required block holds white space only");
    }
    return made;
  }

  /// `print a, b`: a `with` that binds nothing holds them.
  StatementPtr print_block() {
    auto made = statement(Statement::Kind::kWith);
    while (peek().kind != TokenKind::kBlockEnd) {
      if (!made->body.empty()) expect_operator(",");
      auto part = statement(Statement::Kind::kPrint);
      part->value = expression();
      made->body.push_back(std::move(part));
    }
    expect_block_end();
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
    open_body();
    ++loops_;
    made->body = inner({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      open_body();
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
    open_body();
    made->body = statements({"elif", "else", "endif"});
    if (skip_name("elif")) {
      made->otherwise.push_back(if_block());
      --conditional_;
      return made;
    }
    if (skip_name("else")) {
      open_body();
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

  void macro_body(Statement& macro, std::string_view end) {
    const std::size_t from = at_;
    macro.body = function_until(end);
    // A macro takes surplus arguments only if it asks for them by these names.
    for (std::size_t i = from; i < at_; ++i) {
      if (tokens_[i].kind != TokenKind::kName) continue;
      const auto is = [&](std::size_t at, std::string_view op) {
        return tokens_[at].kind == TokenKind::kOperator && tokens_[at].text == op;
      };
      if (is(i - 1, ".") || is(i + 1, "=")) continue;  // an attribute, or an argument's name
      macro.takes_varargs = macro.takes_varargs || tokens_[i].text == "varargs";
      macro.takes_kwargs = macro.takes_kwargs || tokens_[i].text == "kwargs";
      macro.takes_caller = macro.takes_caller || tokens_[i].text == "caller";
    }
    for (const Parameter& parameter : macro.parameters) {
      if (macro.takes_caller && parameter.name == "caller" && !parameter.preset) {
        error("a parameter 'caller' needs a default");
      }
    }
  }

  int loops_ = 0;
  int bodies_ = 0;                        // open ones, but of conditions
  std::vector<const Statement*> blocks_;  // named ones
};

}  // namespace posttrain::text::jinja
