// SPDX-License-Identifier: Apache-2.0
// The most bytes of tensors on the CPU at once, of what a thread made.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace posttrain::test {

/// Counts from its making on.
class TensorPeak {
 public:
  std::int64_t bytes() const { return counter_->most; }
  /// Of those that are still there.
  std::int64_t held() const { return counter_->now; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t,
                           c10::Device) override {
      now += size;
      most = std::max(most, now);
    }
    bool memoryProfilingEnabled() const override { return true; }

    std::int64_t now = 0, most = 0;
  };

  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, counter_};
};

}  // namespace posttrain::test
