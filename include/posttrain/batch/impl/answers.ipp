// SPDX-License-Identifier: Apache-2.0
// Definitions of answers.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/answers.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

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
  AnswerBatch moved = *this;
  std::vector<Tensor*> tensors = moving_tensors(moved, device);
  tensors.push_back(&moved.desirable);
  const std::vector<Tensor*> others = moving_tensors(moved.mismatched, device);
  tensors.insert(tensors.end(), others.begin(), others.end());
  upload_together(tensors, device);
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

POSTTRAIN_INLINE std::vector<const Answer*> mismatched(std::vector<const Answer*> step) {
  std::vector<const Answer*> order(step);
  std::sort(order.begin(), order.end(), std::less<>());
  std::map<const Answer*, const Answer*> other_of;
  const std::size_t count = order.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto before = [count](std::size_t at) { return (at + count - 1) % count; };
    std::size_t other = before(i);
    while (other != i && order[other]->prompt == order[i]->prompt) other = before(other);
    // After a whole turn: nobody was asked something else.
    other_of[order[i]] = order[other == i ? before(i) : other];
  }
  for (const Answer*& answer : step) answer = other_of.at(answer);
  return step;
}

POSTTRAIN_INLINE std::vector<AnswerBatch> AnswerKind::batches(
    const std::vector<std::vector<const Answer*>>& packs) const {
  std::vector<const Answer*> step;
  for (const auto& pack : packs) step.insert(step.end(), pack.begin(), pack.end());
  const std::vector<const Answer*> others = mismatched(step);
  std::vector<AnswerBatch> all;
  std::size_t at = 0;
  for (const auto& pack : packs) {
    std::vector<MatchedAnswer> chosen;
    for (const Answer* answer : pack) chosen.push_back({answer, &others[at++]->answer});
    all.push_back(pack_answers(chosen, share_prompts));
  }
  return all;
}

}  // namespace posttrain
