// SPDX-License-Identifier: Apache-2.0
// The parts of an attention call, with the forms of them that a GPU and the CPU's kernel for caches
// read: made at the first call and kept for the others, one for each layer and pass.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/nn/cpu/cached_plan.hpp"
#include "posttrain/nn/cuda/flash_plan.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// A plan with the begins of its sequences on the device: for each call [sequences + 1] int32 of
/// queries and of keys.
struct DeviceFlashPlan {
  FlashPlan plan{};
  std::vector<std::pair<Tensor, Tensor>> begins{};
};

/// Copies share what was made for their calls; calls with one object come one after another.
class AttentionParts {
 public:
  AttentionParts(std::vector<AttentionPart> parts)
      : shared_(std::make_shared<Shared>(Shared{std::move(parts)})) {}
  AttentionParts(std::initializer_list<AttentionPart> parts)
      : AttentionParts(std::vector<AttentionPart>(parts)) {}

  const std::vector<AttentionPart>& list() const { return shared_->list; }

  /// For calls with this window over so many rows, on this device. The latest one is kept.
  const DeviceFlashPlan& on_device(std::int64_t window, std::int64_t queries, std::int64_t keys,
                                   at::Device device) const;

  /// For few queries over many keys on the CPU, with this window, so many query rows and `group`
  /// query heads for each of k and v. The latest one is kept.
  const detail::CachedPlan& cached(std::int64_t window, std::int64_t queries,
                                   std::int64_t group) const;

  /// Makes those of several windows, in one copy to the device.
  friend void make_flash_plans(const std::map<std::int64_t, AttentionParts>& by_window,
                               std::int64_t queries, std::int64_t keys, at::Device device);

 private:
  struct Key {
    std::int64_t window = -1, queries = 0, keys = 0;
    at::Device device = at::kCPU;
    bool operator==(const Key&) const = default;
  };
  struct Plan {
    Key key{};
    DeviceFlashPlan made{};
  };
  struct Cached {
    std::int64_t window = -1, queries = 0, group = 0;
    detail::CachedPlan plan{};
  };
  struct Shared {
    std::vector<AttentionPart> list;
    Plan plan{};
    Cached cached{};
  };

  Plan plan_for(const Key& key) const;

  std::shared_ptr<Shared> shared_;
};

void make_flash_plans(const std::map<std::int64_t, AttentionParts>& by_window, std::int64_t queries,
                      std::int64_t keys, at::Device device);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/attention_parts.ipp"
#endif
