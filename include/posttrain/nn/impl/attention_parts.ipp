// SPDX-License-Identifier: Apache-2.0
// Definitions of attention_parts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/attention_parts.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE AttentionParts::Plan AttentionParts::plan_for(const Key& key) const {
  Plan plan{key, {flash_plan(list(), key.window, key.queries, key.keys), {}}};
  for (const FlashCall& call : plan.made.plan.calls) {
    const auto tensor = [](const std::vector<std::int32_t>& begins) {
      return at::tensor(begins, at::kInt);
    };
    plan.made.begins.emplace_back(tensor(call.q_begins), tensor(call.k_begins));
  }
  return plan;
}

POSTTRAIN_INLINE const DeviceFlashPlan& AttentionParts::on_device(std::int64_t window,
                                                                  std::int64_t queries,
                                                                  std::int64_t keys,
                                                                  at::Device device) const {
  make_flash_plans({{window, *this}}, queries, keys, device);
  return shared_->plan.made;
}

POSTTRAIN_INLINE const detail::CachedPlan& AttentionParts::cached(std::int64_t window,
                                                                  std::int64_t queries,
                                                                  std::int64_t group) const {
  Cached& kept = shared_->cached;
  if (kept.window != window || kept.queries != queries || kept.group != group) {
    kept = {window, queries, group, detail::plan_cached(list(), window, queries, group)};
  }
  return kept.plan;
}

POSTTRAIN_INLINE void make_flash_plans(const std::map<std::int64_t, AttentionParts>& by_window,
                                       std::int64_t queries, std::int64_t keys, at::Device device) {
  std::vector<Tensor*> tensors;
  for (const auto& [window, parts] : by_window) {
    const AttentionParts::Key key{window, queries, keys, device};
    AttentionParts::Plan& plan = parts.shared_->plan;
    if (plan.key == key) continue;
    plan = parts.plan_for(key);
    for (auto& [q, k] : plan.made.begins) tensors.insert(tensors.end(), {&q, &k});
  }
  upload_together(tensors, device);
}

}  // namespace posttrain
