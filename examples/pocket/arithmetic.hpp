// SPDX-License-Identifier: Apache-2.0
// Arithmetic with checkable answers: sums and differences within 0–99, the small multiplication
// table, comparisons, and counting in a story.
//
// A two-digit second operand is worked off in two steps, tens first: "34 + 20 = 54, 54 + 8 = 62."
// The steps are a small table that a small model learns; a sum is a composition of two of them. One
// eighth of the two-step operand pairs is held out from every training text and asked only in the
// questions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "facts.hpp"
#include "random.hpp"

namespace pocket {

/// A question with its answers: `answer` in a full canonical sentence, `brief` as curt as can be.
struct Asked {
  std::string kind, question, answer, brief;
};

/// True if the operand pair of "+" or "-" takes two steps and never occurs in training texts.
inline bool pair_held_out(char operation, int a, int b) {
  if (b < 10 || b % 10 == 0) return false;
  return mix(static_cast<std::uint64_t>(operation) * 1000003u +
             static_cast<std::uint64_t>(a) * 101u + static_cast<std::uint64_t>(b)) %
             8 ==
         0;
}

struct Operands {
  char operation;
  int a, b;
  int result() const { return operation == '+' ? a + b : operation == '-' ? a - b : a * b; }
  std::string equation() const {
    return std::to_string(a) + " " + operation + " " + std::to_string(b) + " = " +
           std::to_string(result()) + ".";
  }
  /// The equation, in two steps where the second operand has tens and ones.
  std::string worked() const {
    if (operation == '*' || b < 10 || b % 10 == 0) return equation();
    const Operands tens = {operation, a, b - b % 10};
    const Operands ones = {operation, tens.result(), b % 10};
    std::string text = tens.equation();
    text.back() = ',';
    return text + " " + ones.equation();
  }
};

/// Operands of a sum or difference within 0–`limit`, held out or not as asked.
inline Operands draw_pair(Random& random, char operation, int limit, bool held_out) {
  for (;;) {
    int a = random.between(0, limit), b = random.between(0, limit);
    if (operation == '+' && a + b > limit) continue;
    if (operation == '-' && a < b) std::swap(a, b);
    if (pair_held_out(operation, a, b) == held_out) return {operation, a, b};
  }
}

inline Operands draw_product(Random& random) {
  return {'*', random.between(0, 9), random.between(0, 9)};
}

inline Asked ask_operation(Random& random, const Operands& operands) {
  const std::string a = std::to_string(operands.a), b = std::to_string(operands.b);
  const std::string expression = a + " " + operands.operation + " " + b;
  const std::string kind = operands.operation == '+'   ? "sum"
                           : operands.operation == '-' ? "difference"
                                                       : "product";
  const Strings wordings = {"What is " + expression + "?", "How much is " + expression + "?",
                            "Compute " + expression + ".", expression + " = ?"};
  return {kind, random.pick(wordings), operands.worked(), std::to_string(operands.result()) + "."};
}

/// "Which number is greater, 41 or 17?"; the two numbers differ.
inline Asked ask_comparison(Random& random) {
  const int a = random.between(0, 99);
  int b = random.between(0, 98);
  if (b >= a) ++b;
  const std::string x = std::to_string(a), y = std::to_string(b);
  const bool greater = random.chance(50);
  const std::string word = greater ? "greater" : "smaller";
  const bool first = greater == (a > b);
  const Strings wordings = {"Which number is " + word + ", " + x + " or " + y + "?",
                            "Which is " + word + ", " + x + " or " + y + "?",
                            "Tell me the " + word + " number: " + x + " or " + y + "."};
  return {"comparison", random.pick(wordings),
          (first ? x : y) + " is " + word + " than " + (first ? y : x) + ".",
          (first ? x : y) + "."};
}

/// A story in which things are counted: the opening sentences and how it ends.
struct Count {
  std::string opening, end, question;
  int result;
};

inline Count draw_count(Random& random, const World& world) {
  static const Strings things = {"apples", "eggs",  "pots", "coins",
                                 "nuts",   "plums", "hats", "candles"};
  const Person& person = random.pick(world.people);
  const std::string& thing = random.pick(things);
  const std::string pronoun = person.female ? "She" : "He";
  const bool more = random.chance(60);
  int a = random.between(0, 15), b = random.between(1, 9);
  if (!more && a < b) std::swap(a, b);
  const Operands n = {more ? '+' : '-', a, b};
  const Strings gains = {"buys", "finds", "gets"}, losses = {"sells", "loses", "gives away"};
  Count count;
  count.result = n.result();
  count.opening = person.name + " has " + std::to_string(n.a) + " " + thing + ". " + pronoun + " " +
                  random.pick(more ? gains : losses) + " " + std::to_string(n.b) +
                  (more ? " more. " : " of them. ");
  count.end = "Now " + person.name + " has " + std::to_string(n.result()) + " " + thing + ".";
  count.question = "How many " + thing + " does " + person.name + " have now?";
  return count;
}

inline Asked ask_count(Random& random, const World& world) {
  const Count count = draw_count(random, world);
  return {"count", count.opening + count.question, count.end, std::to_string(count.result) + "."};
}

}  // namespace pocket
