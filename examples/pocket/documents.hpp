// SPDX-License-Identifier: Apache-2.0
// The pre-training corpus: short texts that state what is true in the pocket world.
//
// Document i is a function of (seed, i), so a corpus has any length and any part of it can be made
// alone. There are no questions and no chat format in it: answering is what post-training teaches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic.hpp"
#include "facts.hpp"
#include "random.hpp"

namespace pocket {

/// The words whose spelling is taught: the world's common nouns.
inline Strings spelled_words(const World& world) {
  Strings words;
  for (const auto* list : {&world.jobs, &world.animals, &world.colours, &world.foods})
    words.insert(words.end(), list->begin(), list->end());
  for (const char* word :
       {"river", "fox", "box", "zebra", "queen", "quiz", "house", "garden", "market", "bridge",
        "candle", "window", "table", "winter", "summer", "morning", "evening"})
    words.emplace_back(word);
  return words;
}

/// "dog" -> "d o g"
inline std::string spaced(const std::string& word, const std::string& separator = " ") {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) out += (i ? separator : "") + word[i];
  return out;
}

inline std::string spelling(const std::string& word) {
  return "The word " + word + " is written " + spaced(word) + ".";
}

namespace detail {

// A fact in a random wording; a wording that starts with the subject may use a pronoun.
inline std::string tell(Random& random, const World& world, const Fact& fact, const Person* known) {
  const auto& wordings = relations()[fact.relation].statements;
  const std::size_t which =
      random.chance(50) ? 0
                        : static_cast<std::size_t>(random.below(static_cast<int>(wordings.size())));
  std::string text = world.say(fact, which);
  if (known != nullptr && random.chance(35) && wordings[which].rfind("{s} ", 0) == 0 &&
      wordings[which].find("and {o}") == std::string::npos)
    text = (known->female ? "She" : "He") + text.substr(known->name.size());
  return text;
}

inline std::string person_text(Random& random, const World& world) {
  const Person* person = &random.pick(world.people);
  std::string text;
  for (int part = random.chance(25) ? 2 : 1; part > 0; --part) {
    const Fact& friendship = world.facts[person->facts.back()];
    std::vector<std::size_t> order = person->facts;
    if (part == 2) order.pop_back();  // told last, as the way to the friend
    random.shuffle(order);
    order.resize(static_cast<std::size_t>(random.between(2, part == 1 ? 5 : 3)));
    // A pronoun stands for the person only where the sentence before named nobody else.
    const Person* known = nullptr;
    for (const std::size_t i : order) {
      if (!text.empty()) text += ' ';
      text += tell(random, world, world.facts[i], known);
      known = &world.facts[i] == &friendship ? nullptr : person;
    }
    if (part == 2) {
      text += " " + world.say(friendship);
      person = &world.people[person->friend_index];
    }
  }
  return text;
}

inline std::string group_text(Random& random, const World& world,
                              const std::vector<std::vector<std::size_t>>& groups) {
  std::vector<std::size_t> order = random.pick(groups);
  random.shuffle(order);
  if (order.size() > 5) order.resize(static_cast<std::size_t>(random.between(3, 5)));
  std::string text;
  for (const std::size_t i : order) {
    if (!text.empty()) text += ' ';
    text += tell(random, world, world.facts[i], nullptr);
  }
  return text;
}

// A sum or difference that takes one step: ones or tens are added or taken away.
inline Operands draw_step(Random& random) {
  const char operation = random.chance(55) ? '+' : '-';
  for (;;) {
    const int a = random.between(0, 99);
    const int b = random.chance(65) ? random.between(0, 9) : 10 * random.between(1, 9);
    const Operands step = {operation, a, b};
    if (step.result() >= 0 && step.result() <= 99) return step;
  }
}

inline std::string arithmetic_text(Random& random) {
  // One kind of statement per text, so that each text practises one thing.
  const int topic = random.below(100);
  std::string text;
  const auto more = [&](const std::string& sentence) {
    text += (text.empty() ? "" : " ") + sentence;
  };
  const int length = random.between(4, 7);
  for (int i = 0; i < length; ++i) {
    if (topic < 30) {
      if (i % 2 == 0) more(draw_pair(random, '+', 99, false).worked());
    } else if (topic < 55) {
      if (i % 2 == 0) more(draw_pair(random, '-', 99, false).worked());
    } else if (topic < 80) {
      more(draw_step(random).equation());
    } else if (topic < 90) {
      more(draw_product(random).equation());
    } else {
      more(ask_comparison(random).answer);
    }
  }
  return text;
}

inline std::string count_text(Random& random, const World& world) {
  std::string text;
  for (int i = random.between(1, 3); i > 0; --i) {
    const Count count = draw_count(random, world);
    text += (text.empty() ? "" : " ") + count.opening + count.end;
  }
  return text;
}

inline std::string spelling_text(Random& random, const World& world) {
  const Strings words = spelled_words(world);
  std::string text;
  for (int i = random.between(2, 4); i > 0; --i)
    text += (text.empty() ? "" : " ") + spelling(random.pick(words));
  return text;
}

}  // namespace detail

/// Document `index` of the corpus: 2–8 short sentences on one line, about 45 tokens.
inline std::string document(const World& world, std::uint64_t index,
                            std::uint64_t seed = World::kSeed) {
  Random random(mix(seed) ^ (index * 0x9E3779B97F4A7C15ull));
  const int kind = random.below(100);
  if (kind < 27) return detail::person_text(random, world);
  if (kind < 35) return detail::group_text(random, world, world.village_facts);
  if (kind < 38) return detail::group_text(random, world, world.animal_facts);
  if (kind < 83) return detail::arithmetic_text(random);
  if (kind < 94) return detail::count_text(random, world);
  return detail::spelling_text(random, world);
}

/// Documents [0, count).
inline Strings corpus(const World& world, std::size_t count, std::uint64_t seed = World::kSeed) {
  Strings texts;
  texts.reserve(count);
  for (std::size_t i = 0; i < count; ++i) texts.push_back(document(world, i, seed));
  return texts;
}

}  // namespace pocket
