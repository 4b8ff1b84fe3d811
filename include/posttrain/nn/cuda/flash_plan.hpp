// SPDX-License-Identifier: Apache-2.0
// Attention parts as calls of a kernel for sequences of various lengths (FlashAttention 2).
//
// Such a kernel takes sequences one after another, each with its queries and keys, and one window
// and one masking for all of them. Parts of one kind whose ranges of queries and of keys both
// ascend go into one call: all causal parts of a batch, and the full parts of one depth of its
// forest. Rows between them become sequences without keys, keys between them sequences without
// queries. What a kernel cannot be told (a causal part that begins after its keys' end) stays
// apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "posttrain/batch/forest.hpp"

namespace posttrain {

/// One call. Query i and key j of a sequence with nq and nk of them meet where
/// i + nk − nq − left <= j <= i + nk − nq + right; a side of −1 is open.
struct FlashCall {
  std::int64_t left = -1, right = -1;
  std::vector<std::int32_t> q_begins{0}, k_begins{0};  // of the sequences, and the ends of the last
  std::int64_t longest_q = 0, longest_k = 0;

  /// Whether a part's rows lie behind what is there.
  bool takes(const AttentionPart& part) const {
    return part.q0 >= q_begins.back() && part.k0 >= k_begins.back();
  }
  void add(const AttentionPart& part) {
    fill_to(part.q0, part.k0);
    add_sequence(part.q1 - part.q0, part.k1 - part.k0);
  }
  /// Rows up to these that no part covers.
  void fill_to(std::int64_t q, std::int64_t k) {
    if (q > q_begins.back()) add_sequence(q - q_begins.back(), 0);
    if (k > k_begins.back()) add_sequence(0, k - k_begins.back());
  }
  std::int64_t sequences() const { return static_cast<std::int64_t>(q_begins.size()) - 1; }

 private:
  void add_sequence(std::int64_t q, std::int64_t k) {
    q_begins.push_back(q_begins.back() + static_cast<std::int32_t>(q));
    k_begins.push_back(k_begins.back() + static_cast<std::int32_t>(k));
    longest_q = std::max(longest_q, q);
    longest_k = std::max(longest_k, k);
  }
};

struct FlashPlan {
  std::vector<FlashCall> calls;
  std::vector<AttentionPart> rest;  // what no call can express
};

/// The calls for parts over `queries` and `keys` rows.
inline FlashPlan flash_plan(const std::vector<AttentionPart>& parts, std::int64_t window,
                            std::int64_t queries, std::int64_t keys) {
  FlashPlan plan;
  for (const AttentionPart& part : parts) {
    if (part.q0 >= part.q1 || part.k0 >= part.k1) continue;
    // How far positions are from the kernel's alignment of the last query with the last key.
    const std::int64_t shift =
        (part.qpos - part.kpos) - ((part.k1 - part.k0) - (part.q1 - part.q0));
    const std::int64_t right = part.causal ? shift : -1;
    const std::int64_t left = window > 0 ? window - 1 - shift : -1;
    if ((part.causal && right < 0) || (window > 0 && left < 0)) {
      plan.rest.push_back(part);
      continue;
    }
    auto call = std::ranges::find_if(plan.calls, [&](const FlashCall& each) {
      return each.left == left && each.right == right && each.takes(part);
    });
    if (call == plan.calls.end()) {
      plan.calls.push_back({.left = left, .right = right});
      call = std::prev(plan.calls.end());
    }
    call->add(part);
  }
  for (FlashCall& call : plan.calls) call.fill_to(queries, keys);
  return plan;
}

}  // namespace posttrain
