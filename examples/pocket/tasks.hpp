// SPDX-License-Identifier: Apache-2.0
// Three tasks to be learned one after another; none occurs in the corpus or the conversations.
//
//   a  Sort these numbers: 41 7 23         -> 7 23 41
//   b  Reverse these letters: k m t p      -> p t m k
//   c  Write in capitals: k m t p          -> K-M-T-P
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic.hpp"
#include "documents.hpp"
#include "random.hpp"

namespace pocket {

struct Task {
  std::string name;
  std::vector<Asked> train, held_out;
};

namespace detail {

inline Asked ask_sort(Random& random) {
  std::vector<int> numbers;
  while (numbers.size() < 3) {
    const int n = random.between(0, 99);
    if (std::find(numbers.begin(), numbers.end(), n) == numbers.end()) numbers.push_back(n);
  }
  std::string given, sorted;
  for (const int n : numbers) given += " " + std::to_string(n);
  std::sort(numbers.begin(), numbers.end());
  for (const int n : numbers) sorted += (sorted.empty() ? "" : " ") + std::to_string(n);
  return {"sort", "Sort these numbers:" + given, sorted, sorted};
}

inline std::string draw_letters(Random& random) {
  std::string letters;
  for (int i = random.between(3, 5); i > 0; --i)
    letters += static_cast<char>('a' + random.below(26));
  return letters;
}

inline Asked ask_reverse(Random& random) {
  const std::string letters = draw_letters(random);
  const std::string answer = spaced({letters.rbegin(), letters.rend()});
  return {"reverse", "Reverse these letters: " + spaced(letters), answer, answer};
}

inline Asked ask_capitals(Random& random) {
  const std::string letters = draw_letters(random);
  std::string capitals = letters;
  for (char& c : capitals) c = static_cast<char>(c - 'a' + 'A');
  const std::string answer = spaced(capitals, "-");
  return {"capitals", "Write in capitals: " + spaced(letters), answer, answer};
}

}  // namespace detail

/// Tasks a, b and c with `train` and `held_out` different examples each.
inline std::vector<Task> tasks(std::size_t train = 1500, std::size_t held_out = 100) {
  using Ask = Asked (*)(Random&);
  const std::vector<std::pair<std::string, Ask>> kinds = {
      {"a", detail::ask_sort}, {"b", detail::ask_reverse}, {"c", detail::ask_capitals}};
  std::vector<Task> all;
  for (const auto& [name, ask] : kinds) {
    Random random(hash_text("task/" + name));
    Task task{name, {}, {}};
    std::set<std::string> seen;
    while (task.held_out.size() < held_out || task.train.size() < train) {
      Asked asked = ask(random);
      if (!seen.insert(asked.question).second) continue;
      (task.held_out.size() < held_out ? task.held_out : task.train).push_back(std::move(asked));
    }
    all.push_back(std::move(task));
  }
  return all;
}

}  // namespace pocket
