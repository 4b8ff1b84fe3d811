// SPDX-License-Identifier: Apache-2.0
// The tree of a parsed template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/jinja/token.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, star_star;
};

struct Expression {
  enum class Kind {
    kConstant,
    kName,
    kList,
    kTuple,
    kDict,       // children: key, value, key, value, …
    kAttribute,  // children[0] . name
    kIndex,      // children[0] [ children[1] ]
    kSlice,      // children[0] [ children[1] : children[2] : children[3] ], any of these null
    kCall,       // children[0] ( arguments )
    kFilter,     // children[0] | name ( arguments ); children[0] is null in a filter block
    kTest,       // children[0] is name ( arguments )
    kNegate,     // - children[0]
    kPositive,   // + children[0]
    kNot,
    kAnd,
    kOr,
    kBinary,      // children[0] name children[1]
    kCompare,     // children[0] operators[0] children[1] operators[1] …
    kConditional  // children: condition, then, otherwise (may be null)
  };
  Kind kind{};
  Place place;
  int depth = 1;
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> children;
  std::vector<std::string> operators;
  CallArguments arguments;
};

struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Parameter {
  std::string name;
  ExpressionPtr preset;  // null: none
};

struct Statement {
  enum class Kind {
    kText,        // text
    kPrint,       // value
    kFor,         // for targets in value if condition … else otherwise
    kIf,          // if value … else otherwise
    kSet,         // targets = value
    kSetBlock,    // targets = body, through the filters of value
    kMacro,       // name, parameters
    kCallBlock,   // value is the call, body its caller
    kFilter,      // body through the filters of value
    kGeneration,  // body is what the assistant wrote
    kWith,        // targets = value for each of bindings, seen by body
    kAutoescape,  // body with printed values escaped if value holds
    kBlock,       // text is its name; scoped: it sees the names around it, not the outermost only
    kOtherFile,   // include and the like: value is the file, text the tag
    kBreak,
    kContinue
  };
  Kind kind{};
  Place place;
  std::string text;  // the text, or the macro's name
  ExpressionPtr value, condition, target;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> bindings;
  bool recursive = false;
  bool scoped = false, required = false;  // of a block
  bool optional = false;                  // of another file: it may be none
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;
  Body body, otherwise;
};

/// A parsed template; `blocks` are statements somewhere in `body`.
struct Tree {
  Body body;
  std::vector<const Statement*> blocks;
};

}  // namespace posttrain::text::jinja
