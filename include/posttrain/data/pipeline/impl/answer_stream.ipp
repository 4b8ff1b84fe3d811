// SPDX-License-Identifier: Apache-2.0
// Definitions of answer_stream.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <map>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/answer_stream.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE std::vector<std::int64_t> mismatched(const std::vector<Answer>& answers,
                                                      std::vector<std::int64_t> step) {
  std::vector<std::int64_t> order(step);
  std::sort(order.begin(), order.end());
  const auto prompt = [&](std::int64_t index) -> const TokenIds& {
    return answers[static_cast<std::size_t>(index)].prompt;
  };
  std::map<std::int64_t, std::int64_t> other_of;
  const std::size_t count = order.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto before = [count](std::size_t at) { return (at + count - 1) % count; };
    std::size_t other = before(i);
    while (other != i && prompt(order[other]) == prompt(order[i])) other = before(other);
    // After a whole turn: nobody was asked something else.
    other_of[order[i]] = order[other == i ? before(i) : other];
  }
  for (std::int64_t& index : step) index = other_of.at(index);
  return step;
}

POSTTRAIN_INLINE std::vector<AnswerBatch> AnswerItems::batches(
    const Packs& packs, const std::vector<Answer>& answers) const {
  std::vector<std::int64_t> step;
  for (const auto& pack : packs) step.insert(step.end(), pack.begin(), pack.end());
  const std::vector<std::int64_t> others = mismatched(answers, step);
  std::vector<AnswerBatch> all;
  std::size_t at = 0;
  for (const auto& pack : packs) {
    std::vector<MatchedAnswer> chosen;
    for (const std::int64_t index : pack) {
      chosen.push_back({&answers[static_cast<std::size_t>(index)],
                        &answers[static_cast<std::size_t>(others[at++])].answer});
    }
    all.push_back(pack_answers(chosen, share_prompts));
  }
  return all;
}

}  // namespace posttrain::data
