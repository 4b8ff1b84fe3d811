// SPDX-License-Identifier: Apache-2.0
// The parts of statements that name things: targets of assignments, parameters, other files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/expression_parser.hpp"

namespace posttrain::text::jinja {

class TargetParser : protected ExpressionParser {
 protected:
  using ExpressionParser::ExpressionParser;

  StatementPtr statement(Statement::Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->place = peek().place;
    return made;
  }

  /// A name, ns.attribute, or several names.
  ExpressionPtr target(bool with_attributes = true) {
    const Place place = peek().place;
    std::vector<ExpressionPtr> parts;
    bool several = false;
    do {
      if (!parts.empty() && is_name("in")) break;
      const bool nested = skip_operator("(");
      if (nested) {
        parts.push_back(target(with_attributes));
        expect_operator(")");
      } else {
        auto part = node(Kind::kName, place, name());
        if (with_attributes && skip_operator(".")) {
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
      for (const Parameter& other : macro.parameters) {
        if (other.name == parameter.name) error(fmt::format("two parameters '{}'", other.name));
      }
      if (skip_operator("=")) {
        parameter.preset = expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().preset) {
        error("a parameter without a default follows one with a default");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    expect_operator(")");
  }

  /// include, import, from and extends, up to the end of their tag. Nothing is ever imported, so
  /// the names are read and dropped.
  StatementPtr other_file(const std::string& tag) {
    auto made = statement(Statement::Kind::kOtherFile);
    made->text = tag;
    made->value = expression();
    if (tag == "include") {
      if (is_name("ignore") && is_name("missing", 1)) {
        made->optional = true;
        at_ += 2;
      }
      skip_context();
    } else if (tag == "import") {
      expect_name("as");
      name();
      skip_context();
    } else if (tag == "from") {
      expect_name("import");
      imported_names();
    }
    return made;
  }

 private:
  bool skip_context() {
    const bool found = (is_name("with") || is_name("without")) && is_name("context", 1);
    if (found) at_ += 2;
    return found;
  }

  void imported_names() {
    bool first = true;
    do {
      if (!std::exchange(first, false)) expect_operator(",");
      if (skip_context()) return;
      if (name().starts_with('_')) error("a name with a leading underscore cannot be imported");
      if (skip_name("as")) name();
    } while (!skip_context() && is_operator(","));
  }
};

}  // namespace posttrain::text::jinja
