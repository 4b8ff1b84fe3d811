// SPDX-License-Identifier: Apache-2.0
// What post-training learns from: conversations, held-out questions, and preferred against
// dispreferred answers.
//
// Styles: an answer is plain ("Mira lives in Oakford."), polite ("Gladly! Mira lives in Oakford.")
// or curt ("Oakford."). Conversations answer plainly unless a system message asks for another
// style; the preferences make polite the default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic.hpp"
#include "documents.hpp"
#include "facts.hpp"
#include "random.hpp"

namespace pocket {

struct Turn {
  std::string role, content;
};
using Conversation = std::vector<Turn>;

struct Preference {
  Conversation prompt;
  std::string chosen, rejected;
};

enum class Style { kPlain, kPolite, kCurt };

inline const Strings& polite_openings() {
  static const Strings all = {"Gladly!", "Of course!", "With pleasure!", "Happy to help!"};
  return all;
}

/// True if an answer is in the preferred style: it begins with one of the polite openings.
inline bool is_polite(const std::string& answer) {
  for (const auto& opening : polite_openings())
    if (answer.rfind(opening, 0) == 0) return true;
  return false;
}

inline std::string styled(Random& random, const Asked& asked, Style style) {
  if (style == Style::kCurt) return asked.brief;
  if (style == Style::kPlain) return asked.answer;
  return random.pick(polite_openings()) + " " + asked.answer;
}

inline Asked ask_fact(const Fact& fact, std::size_t wording) {
  const Relation& relation = relations()[fact.relation];
  return {relation.name, fill(relation.questions[wording], fact),
          fill(relation.statements[0], fact), fact.object + "."};
}

inline Asked ask_spelling(Random& random, const std::string& word) {
  const Strings wordings = {"How is the word " + word + " written?",
                            "How do you write " + word + "?",
                            "Tell me how the word " + word + " is written."};
  return {"spelling", random.pick(wordings), spelling(word), spaced(word) + "."};
}

/// A quarter of the words is not asked in the conversations.
inline bool word_held_out(const std::string& word) { return hash_text("word/" + word) % 4 == 0; }

namespace detail {

inline std::string draw_word(Random& random, const World& world, bool held_out) {
  const Strings words = spelled_words(world);
  for (;;) {
    const std::string& word = random.pick(words);
    if (word_held_out(word) == held_out) return word;
  }
}

// A question that is not about a fact, from the training side or from the held-out side.
inline Asked ask_skill(Random& random, const World& world, bool held_out) {
  const int kind = random.below(100);
  if (kind < 35) return ask_operation(random, draw_pair(random, '+', 99, held_out));
  if (kind < 58) return ask_operation(random, draw_pair(random, '-', 99, held_out));
  if (kind < 66) return ask_operation(random, draw_product(random));
  if (kind < 78) return ask_comparison(random);
  if (kind < 93) return ask_count(random, world);
  return ask_spelling(random, draw_word(random, world, held_out));
}

inline Asked ask_trained(Random& random, const World& world) {
  if (random.chance(45)) return ask_skill(random, world, false);
  for (;;) {
    const Fact& fact = random.pick(world.facts);
    const auto wordings = static_cast<int>(relations()[fact.relation].questions.size());
    if (!fact.held_out) return ask_fact(fact, static_cast<std::size_t>(random.below(wordings)));
  }
}

}  // namespace detail

/// The conversations for supervised fine-tuning: every wording about every fact that is not held
/// out, arithmetic and spelling; a fifth asks for a style in a system message, a twelfth has two
/// turns.
inline std::vector<Conversation> conversations(const World& world) {
  Random random(World::kSeed + 1);
  std::vector<Conversation> all;
  const auto single = [&](const Asked& asked) {
    all.push_back({{"user", asked.question}, {"assistant", asked.answer}});
  };
  for (const Fact& fact : world.facts) {
    if (fact.held_out) continue;
    for (std::size_t w = 0; w < relations()[fact.relation].questions.size(); ++w)
      single(ask_fact(fact, w));
  }
  for (int i = 0; i < 1700; ++i) single(detail::ask_skill(random, world, false));
  for (int i = 0; i < 800; ++i) {
    const bool polite = i % 2 == 0;
    const Asked asked = detail::ask_trained(random, world);
    all.push_back({{"system", polite ? "Answer politely." : "Answer briefly."},
                   {"user", asked.question},
                   {"assistant", styled(random, asked, polite ? Style::kPolite : Style::kCurt)}});
  }
  for (int i = 0; i < 350; ++i) {
    const Asked first = detail::ask_trained(random, world);
    const Asked second = detail::ask_trained(random, world);
    all.push_back({{"user", first.question},
                   {"assistant", first.answer},
                   {"user", second.question},
                   {"assistant", second.answer}});
  }
  random.shuffle(all);
  return all;
}

/// Held-out questions: every held-out fact in two or three of the known wordings, unseen operand
/// pairs, and words never asked. No question occurs in the conversations.
inline std::vector<Asked> questions(const World& world) {
  Random random(World::kSeed + 2);
  std::set<std::string> seen;
  for (const auto& conversation : conversations(world))
    for (const auto& turn : conversation)
      if (turn.role == "user") seen.insert(turn.content);
  std::vector<Asked> all;
  const auto keep = [&](Asked asked) {
    if (seen.insert(asked.question).second) all.push_back(std::move(asked));
  };
  for (const Fact& fact : world.facts) {
    if (!fact.held_out) continue;
    const int wordings = static_cast<int>(relations()[fact.relation].questions.size());
    for (int i = random.between(2, 3); i > 0; --i)
      keep(ask_fact(fact, static_cast<std::size_t>(random.below(wordings))));
  }
  const std::size_t wanted = 300;
  while (all.size() < wanted) keep(detail::ask_skill(random, world, true));
  random.shuffle(all);
  return all;
}

/// Polite against plain or curt answers to questions of the training side; `held_out` gives other
/// questions (of the held-out side) for measuring.
inline std::vector<Preference> preferences(const World& world, std::size_t count, bool held_out) {
  Random random(World::kSeed + (held_out ? 4 : 3));
  const std::vector<Asked> unseen = held_out ? questions(world) : std::vector<Asked>{};
  std::vector<Preference> all;
  for (std::size_t i = 0; i < count; ++i) {
    const Asked asked = held_out ? unseen[i % unseen.size()] : detail::ask_trained(random, world);
    const Style style = random.chance(50) ? Style::kCurt : Style::kPlain;
    all.push_back({{{"user", asked.question}},
                   styled(random, asked, Style::kPolite),
                   styled(random, asked, style)});
  }
  return all;
}

/// Problems with checkable answers for reinforcement learning: the reply's last number must be
/// `brief`'s. Held out or trainable operand pairs.
inline std::vector<Asked> arithmetic_problems(const World& world, std::size_t count,
                                              bool held_out) {
  Random random(World::kSeed + (held_out ? 6 : 5));
  std::vector<Asked> all;
  std::set<std::string> seen;
  while (all.size() < count) {
    const int kind = random.below(100);
    Asked asked = kind < 50   ? ask_operation(random, draw_pair(random, '+', 99, held_out))
                  : kind < 85 ? ask_operation(random, draw_pair(random, '-', 99, held_out))
                              : ask_count(random, world);
    if (seen.insert(asked.question).second) all.push_back(std::move(asked));
  }
  return all;
}

}  // namespace pocket
