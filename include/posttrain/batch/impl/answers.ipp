// SPDX-License-Identifier: Apache-2.0
// Definitions of answers.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/answers.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// Prompts as parents of the answers that `text(answer)` gives.
template <class Text>
TokenBatch pack_by_prompt(const std::vector<std::vector<const MatchedAnswer*>>& groups,
                          bool share_prompts, const Text& text) {
  BatchBuilder builder;
  for (const auto& group : groups) {
    int prompt = -1;
    for (const MatchedAnswer* each : group) {
      const Answer& answer = *each->answer;
      if (prompt < 0 || !share_prompts) prompt = builder.add(answer.prompt, -1, answer.sample);
      const Sequence& said = text(*each);
      builder.add(said.ids, prompt, answer.sample);
      builder.score(said.weights);
      builder.end_sequence(answer.sample);
    }
  }
  return std::move(builder).build();
}

}  // namespace detail

POSTTRAIN_INLINE AnswerBatch AnswerBatch::to(at::Device device) const {
  AnswerBatch moved;
  static_cast<TokenBatch&>(moved) = TokenBatch::to(device);
  moved.desirable = desirable.to(device);
  moved.mismatched = mismatched.to(device);
  return moved;
}

POSTTRAIN_INLINE AnswerBatch pack_answers(std::span<const MatchedAnswer> answers,
                                          bool share_prompts) {
  std::vector<std::vector<const MatchedAnswer*>> groups;
  std::map<TokenIds, std::size_t> group_of;
  for (const MatchedAnswer& each : answers) {
    if (each.answer->prompt.empty()) {
      raise("sample {}: expected a prompt of at least one token, got none", each.answer->sample);
    }
    const auto [at, is_new] = group_of.emplace(each.answer->prompt, groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(&each);
  }
  AnswerBatch batch;
  static_cast<TokenBatch&>(batch) = detail::pack_by_prompt(
      groups, share_prompts,
      [](const MatchedAnswer& each) -> const Sequence& { return each.answer->answer; });
  batch.mismatched = detail::pack_by_prompt(
      groups, share_prompts,
      [](const MatchedAnswer& each) -> const Sequence& { return *each.other; });
  std::vector<std::uint8_t> desirable;
  for (const auto& group : groups) {
    for (const MatchedAnswer* each : group) desirable.push_back(each->answer->desirable ? 1 : 0);
  }
  batch.desirable = at::tensor(desirable, at::kByte).to(at::kBool);
  return batch;
}

}  // namespace posttrain
