// SPDX-License-Identifier: Apache-2.0
// Sums and differences in worked steps, as many as one wants: conversations that show the steps,
// problems with answers for practice without them (examples/11_grpo), and pairs of right and wrong
// steps (examples/08_dpo). Not committed: they are large.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic.hpp"
#include "chats.hpp"
#include "data_files.hpp"
#include "random.hpp"

namespace pocket {

/// Three sums for two differences; held-out operand pairs or none of them.
inline Asked ask_sum(Random& random, bool held_out) {
  return ask_operation(random, draw_pair(random, random.chance(60) ? '+' : '-', 99, held_out));
}

/// `count` different questions.
inline std::vector<Asked> sum_problems(std::size_t count, bool held_out) {
  Random random(World::kSeed + (held_out ? 16 : 15));
  std::vector<Asked> all;
  std::set<std::string> seen;
  while (all.size() < count) {
    Asked asked = ask_sum(random, held_out);
    if (seen.insert(asked.question).second) all.push_back(std::move(asked));
  }
  return all;
}

inline std::vector<Conversation> worked_sums(int count) {
  Random random(World::kSeed + 17);
  std::vector<Conversation> all;
  for (int i = 0; i < count; ++i) {
    const Asked asked = ask_sum(random, false);
    all.push_back({{"user", asked.question}, {"assistant", asked.answer}});
  }
  return all;
}

/// The steps with one of their results wrong by 1, 2 or 10.
inline std::string miscounted(Random& random, const std::string& worked) {
  std::vector<std::size_t> results;
  for (std::size_t at = worked.find("= "); at != std::string::npos; at = worked.find("= ", at + 2))
    results.push_back(at + 2);
  const std::size_t begin = random.pick(results);
  const std::size_t end = worked.find_first_not_of("0123456789", begin);
  const int right = std::stoi(worked.substr(begin, end - begin));
  const int by = random.pick(std::vector<int>{1, 2, 10});
  const int wrong = random.chance(50) && right >= by ? right - by : right + by;
  return worked.substr(0, begin) + std::to_string(wrong) + worked.substr(end);
}

/// The right steps are preferred to wrong ones.
inline std::vector<Preference> sum_pairs(int count, bool held_out) {
  Random random(World::kSeed + (held_out ? 19 : 18));
  std::vector<Preference> all;
  for (int i = 0; i < count; ++i) {
    const Asked asked = ask_sum(random, held_out);
    all.push_back({{{"user", asked.question}}, asked.answer, miscounted(random, asked.answer)});
  }
  return all;
}

/// The files by name.
inline Files sum_files() {
  return {{"worked.jsonl", detail::conversation_lines(worked_sums(4000))},
          {"sums.jsonl", detail::problem_lines(sum_problems(8000, false))},
          {"sums_heldout.jsonl", detail::problem_lines(sum_problems(200, true))},
          {"pairs.jsonl", detail::preference_lines(sum_pairs(2000, false))},
          {"pairs_heldout.jsonl", detail::preference_lines(sum_pairs(200, true))}};
}

}  // namespace pocket
