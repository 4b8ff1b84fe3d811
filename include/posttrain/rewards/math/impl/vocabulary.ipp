// SPDX-License-Identifier: Apache-2.0
// Definitions of vocabulary.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"

namespace posttrain::rewards {

namespace detail {

struct Command {
  std::string_view name;
  CommandKind kind;
  std::string_view meaning;
};

// All tables of commands are in alphabetical order.

// What sets type only. Boxes within a box, and letters in another type, count as they are.
inline constexpr auto kDropped = std::to_array<std::string_view>({"Big",
                                                                  "Bigg",
                                                                  "Biggl",
                                                                  "Biggr",
                                                                  "Bigl",
                                                                  "Bigr",
                                                                  "LARGE",
                                                                  "Large",
                                                                  "angle",
                                                                  "bf",
                                                                  "big",
                                                                  "bigg",
                                                                  "biggl",
                                                                  "biggr",
                                                                  "bigl",
                                                                  "bigr",
                                                                  "bm",
                                                                  "boldsymbol",
                                                                  "boxed",
                                                                  "displaystyle",
                                                                  "enspace",
                                                                  "ensuremath",
                                                                  "euro",
                                                                  "fbox",
                                                                  "hfill",
                                                                  "hline",
                                                                  "huge",
                                                                  "it",
                                                                  "large",
                                                                  "left",
                                                                  "limits",
                                                                  "mathbf",
                                                                  "mathcal",
                                                                  "mathdollar",
                                                                  "mathfrak",
                                                                  "mathit",
                                                                  "mathnormal",
                                                                  "mathscr",
                                                                  "middle",
                                                                  "nolimits",
                                                                  "overrightarrow",
                                                                  "pounds",
                                                                  "qquad",
                                                                  "quad",
                                                                  "right",
                                                                  "rm",
                                                                  "scriptstyle",
                                                                  "small",
                                                                  "textstyle",
                                                                  "thinspace",
                                                                  "triangle",
                                                                  "tt",
                                                                  "underline",
                                                                  "vec"});

// What says nothing about the value, and its argument neither.
inline constexpr auto kDroppedWithArgument = std::to_array<std::string_view>(
    {"color", "hspace", "label", "phantom", "pmod", "tag", "textcolor"});

// What holds text, or upright letters.
inline constexpr auto kText = std::to_array<std::string_view>(
    {"emph", "hbox", "mathrm", "mathsf", "mathtt", "mbox", "operatorname", "text", "textbf",
     "textit", "textnormal", "textrm", "textsc", "textsf", "texttt"});

// What the parser knows under the same name: letters, functions, constructions.
inline constexpr auto kNamed = std::to_array<std::string_view>(
    {"Delta",   "Gamma",   "Lambda", "Omega",  "Phi",      "Pi",      "Psi",    "Sigma",  "Theta",
     "Upsilon", "Xi",      "alpha",  "arccos", "arccot",   "arcsin",  "arctan", "arg",    "bar",
     "beta",    "binom",   "chi",    "circ",   "cos",      "cosh",    "cot",    "coth",   "csc",
     "degree",  "delta",   "dot",    "ell",    "emptyset", "epsilon", "eta",    "exp",    "frac",
     "gamma",   "gcd",     "hat",    "hbar",   "infty",    "iota",    "kappa",  "lambda", "lceil",
     "lcm",     "ldots",   "lfloor", "lg",     "ln",       "log",     "max",    "min",    "mu",
     "nu",      "omega",   "phi",    "pi",     "prime",    "psi",     "rceil",  "rfloor", "rho",
     "sec",     "sigma",   "sin",    "sinh",   "sqrt",     "tan",     "tanh",   "tau",    "theta",
     "tilde",   "upsilon", "xi",     "zeta"});

// The same thing under another name.
inline constexpr auto kAliases =
    std::to_array<Command>({{"Bbb", CommandKind::number_set, ""},
                            {"C", CommandKind::other, "numbers C"},
                            {"N", CommandKind::other, "numbers N"},
                            {"Q", CommandKind::other, "numbers Q"},
                            {"R", CommandKind::other, "numbers R"},
                            {"Vert", CommandKind::mark, "|"},
                            {"Z", CommandKind::other, "numbers Z"},
                            {"approx", CommandKind::relation, "~"},
                            {"ast", CommandKind::mark, "*"},
                            {"backslash", CommandKind::mark, "setminus"},
                            {"begin", CommandKind::environment, "begin"},
                            {"bigcup", CommandKind::mark, "cup"},
                            {"bullet", CommandKind::mark, "*"},
                            {"cap", CommandKind::mark, "cap"},
                            {"cdot", CommandKind::mark, "*"},
                            {"cdots", CommandKind::other, "ldots"},
                            {"cfrac", CommandKind::other, "frac"},
                            {"colon", CommandKind::mark, ":"},
                            {"cup", CommandKind::mark, "cup"},
                            {"dbinom", CommandKind::other, "binom"},
                            {"dfrac", CommandKind::other, "frac"},
                            {"div", CommandKind::mark, "/"},
                            {"dots", CommandKind::other, "ldots"},
                            {"end", CommandKind::environment, "end"},
                            {"equiv", CommandKind::relation, "="},
                            {"ge", CommandKind::relation, "g"},
                            {"geq", CommandKind::relation, "g"},
                            {"geqq", CommandKind::relation, "g"},
                            {"geqslant", CommandKind::relation, "g"},
                            {"gt", CommandKind::relation, ">"},
                            {"in", CommandKind::relation, "e"},
                            {"lVert", CommandKind::mark, "|"},
                            {"land", CommandKind::connective, "and"},
                            {"langle", CommandKind::mark, "("},
                            {"lbrace", CommandKind::mark, "\\{"},
                            {"lbrack", CommandKind::mark, "["},
                            {"le", CommandKind::relation, "l"},
                            {"leq", CommandKind::relation, "l"},
                            {"leqq", CommandKind::relation, "l"},
                            {"leqslant", CommandKind::relation, "l"},
                            {"lor", CommandKind::connective, "or"},
                            {"lparen", CommandKind::mark, "("},
                            {"lt", CommandKind::relation, "<"},
                            {"lvert", CommandKind::mark, "|"},
                            {"mathbb", CommandKind::number_set, ""},
                            {"mid", CommandKind::mark, "|"},
                            {"mp", CommandKind::mark, "-+"},
                            {"ne", CommandKind::relation, "!"},
                            {"neq", CommandKind::relation, "!"},
                            {"newline", CommandKind::mark, "\\\\"},
                            {"nicefrac", CommandKind::other, "frac"},
                            {"overline", CommandKind::other, "bar"},
                            {"pm", CommandKind::mark, "+-"},
                            {"rVert", CommandKind::mark, "|"},
                            {"rangle", CommandKind::mark, ")"},
                            {"rbrace", CommandKind::mark, "\\}"},
                            {"rbrack", CommandKind::mark, "]"},
                            {"rparen", CommandKind::mark, ")"},
                            {"rvert", CommandKind::mark, "|"},
                            {"setminus", CommandKind::mark, "setminus"},
                            {"sfrac", CommandKind::other, "frac"},
                            {"simeq", CommandKind::relation, "~"},
                            {"tbinom", CommandKind::other, "binom"},
                            {"tfrac", CommandKind::other, "frac"},
                            {"thickapprox", CommandKind::relation, "~"},
                            {"times", CommandKind::mark, "*"},
                            {"varepsilon", CommandKind::other, "epsilon"},
                            {"varnothing", CommandKind::other, "emptyset"},
                            {"varphi", CommandKind::other, "phi"},
                            {"varrho", CommandKind::other, "rho"},
                            {"vartheta", CommandKind::other, "theta"},
                            {"vee", CommandKind::connective, "or"},
                            {"vert", CommandKind::mark, "|"},
                            {"wedge", CommandKind::connective, "and"},
                            {"widehat", CommandKind::other, "hat"}});

inline constexpr auto kFunctions = std::to_array<std::string_view>(
    {"sin",    "cos",  "tan",  "cot",  "sec",  "csc",  "arcsin", "arccos", "arctan",
     "arccot", "asin", "acos", "atan", "sinh", "cosh", "tanh",   "coth",   "log",
     "ln",     "lg",   "exp",  "min",  "max",  "gcd",  "lcm",    "abs",    "floor",
     "ceil",   "arg",  "Re",   "Im",   "sgn",  "cis"});

// Symbols side by side look like short units: only those are here that are rarely meant so.
inline constexpr auto kUnits = std::to_array<std::string_view>(
    {"cm",     "mm",      "km",     "kg",      "mg",      "ml",     "mL",      "ft",     "lb",
     "lbs",    "oz",      "hr",     "hrs",     "min",     "mins",   "sec",     "secs",   "mph",
     "kph",    "yd",      "yds",    "mi",      "sq",      "units",  "unit",    "th",     "st",
     "nd",     "rd",      "cents",  "deg",     "degrees", "degree", "radians", "rad",    "inches",
     "inch",   "feet",    "foot",   "meters",  "meter",   "metres", "km/h",    "hours",  "hour",
     "days",   "day",     "years",  "year",    "weeks",   "week",   "months",  "month",  "minutes",
     "minute", "seconds", "second", "dollars", "dollar",  "euros",  "euro",    "pounds", "pound",
     "miles",  "mile",    "people", "ways",    "times"});

inline constexpr auto kCalendar = std::to_array<std::string_view>(
    {"january", "february", "march", "april", "may", "june", "july", "august", "september",
     "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday",
     "saturday", "sunday"});

inline constexpr auto kQualifiers = std::to_array<std::string_view>(
    {"not", "no", "never", "neither", "nor", "less", "more", "fewer", "greater", "than", "least",
     "most", "except", "without", "but", "between", "other"});

inline constexpr auto kShortWords = std::to_array<std::string_view>(
    {"is", "no", "of", "to", "at", "it", "we", "so", "by", "my", "on",
     "an", "as", "be", "he", "No", "Is", "It", "We", "So", "He"});

struct ScaleWord {
  std::string_view name;
  std::int64_t value;
};
inline constexpr auto kScaleWords = std::to_array<ScaleWord>({{"hundred", 100},
                                                              {"thousand", 1000},
                                                              {"million", 1000000},
                                                              {"billion", 1000000000},
                                                              {"trillion", 1000000000000}});

inline constexpr auto kNumberWords = std::to_array<ScaleWord>(
    {{"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
     {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
     {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
     {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
     {"twenty", 20},  {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},
     {"seventy", 70}, {"eighty", 80},  {"ninety", 90},    {"hundred", 100}});

template <class Table, class Word>
bool holds(const Table& table, const Word& word) {
  return std::find(table.begin(), table.end(), word) != table.end();
}

}  // namespace detail

POSTTRAIN_INLINE CommandInfo command_info(std::string_view name) {
  const auto in = [name](const auto& table) {
    return std::binary_search(table.begin(), table.end(), name);
  };
  if (in(detail::kNamed)) return {CommandKind::other, name};
  if (in(detail::kDropped)) return {CommandKind::dropped};
  if (in(detail::kText)) return {CommandKind::text};
  if (in(detail::kDroppedWithArgument)) return {CommandKind::dropped_with_argument};
  const auto* alias = std::lower_bound(
      detail::kAliases.begin(), detail::kAliases.end(), name,
      [](const detail::Command& each, std::string_view wanted) { return each.name < wanted; });
  if (alias == detail::kAliases.end() || alias->name != name) return {};
  return {alias->kind, alias->meaning};
}

POSTTRAIN_INLINE bool is_function_name(std::string_view name) {
  return detail::holds(detail::kFunctions, name);
}

POSTTRAIN_INLINE std::string_view connective(std::string_view text) {
  constexpr std::string_view kAround = " ,~\t\n";
  while (!text.empty() && kAround.find(text.front()) != std::string_view::npos) {
    text.remove_prefix(1);
  }
  while (!text.empty() && kAround.find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  if (text == "and" || text == "And") return "and";
  if (text == "or" || text == "Or") return "or";
  return {};
}

POSTTRAIN_INLINE bool is_unit(std::string_view word) { return detail::holds(detail::kUnits, word); }

POSTTRAIN_INLINE bool is_calendar_word(std::string_view word) {
  return detail::holds(detail::kCalendar, word);
}

POSTTRAIN_INLINE bool is_qualifier(std::string_view word) {
  return detail::holds(detail::kQualifiers, word);
}

POSTTRAIN_INLINE bool is_short_word(std::string_view word) {
  return detail::holds(detail::kShortWords, word);
}

POSTTRAIN_INLINE std::optional<std::int64_t> scale_word(std::string_view word) {
  for (const detail::ScaleWord& each : detail::kScaleWords) {
    if (each.name == word) return each.value;
  }
  return {};
}

POSTTRAIN_INLINE std::optional<int> number_word(std::string_view word) {
  for (const detail::ScaleWord& each : detail::kNumberWords) {
    if (each.name == word) return static_cast<int>(each.value);
  }
  return {};
}

}  // namespace posttrain::rewards
