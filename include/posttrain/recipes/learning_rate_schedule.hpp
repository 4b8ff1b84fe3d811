// SPDX-License-Identifier: Apache-2.0
// The schedule of a recipe's learning rate: by its name, or with transformers' lr_scheduler_kwargs.
//
//   .lr_scheduler = "linear"
//   .lr_scheduler = optim::Schedule{.type = optim::LrScheduler::cosine_with_min_lr,
//                                   .min_lr_rate = 0.1}
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/by_name.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/optim/schedule.hpp"

namespace posttrain {

class LearningRateSchedule {
 public:
  constexpr LearningRateSchedule(optim::LrScheduler type) : schedule_{.type = type} {}
  constexpr LearningRateSchedule(const optim::Schedule& schedule) : schedule_(schedule) {}
  LearningRateSchedule(std::string_view name)
      : LearningRateSchedule(ByName<optim::LrScheduler>(name).value()) {}
  LearningRateSchedule(const char* name) : LearningRateSchedule(std::string_view(name)) {}
  LearningRateSchedule(const std::string& name) : LearningRateSchedule(std::string_view(name)) {}

  constexpr const optim::Schedule& schedule() const { return schedule_; }

  /// "linear"; with fields of its own "Schedule{.type = linear, …}".
  std::string description() const {
    const std::string all = describe(schedule_);
    const bool plain = all == describe(optim::Schedule{.type = schedule_.type});
    return plain ? std::string(enum_name(schedule_.type)) : all;
  }

 private:
  optim::Schedule schedule_;
};

}  // namespace posttrain
