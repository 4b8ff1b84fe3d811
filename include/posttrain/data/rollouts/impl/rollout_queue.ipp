// SPDX-License-Identifier: Apache-2.0
// Definitions of rollout_queue.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/data/rollouts/rollout_queue.hpp"
#include "posttrain/distributed/communicator.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE void RolloutQueue::start(Rollout rollout) {
  rollout_ = std::move(rollout);
  advantages_.clear();
  next_ = 0;
  started_ = true;
  ++rollouts_;
}

POSTTRAIN_INLINE void RolloutQueue::set_advantages(Advantages advantages) {
  if (advantages.size() != rollout_.groups.size()) {
    raise("expected advantages of {} groups from the loss, got {}", rollout_.groups.size(),
          advantages.size());
  }
  advantages_ = std::move(advantages);
}

POSTTRAIN_INLINE std::int64_t RolloutQueue::steps_of(const Rollout& rollout) const {
  const std::int64_t groups = std::max<std::int64_t>(std::ssize(rollout.groups), 1);
  return (groups + sizes_.groups_per_step - 1) / sizes_.groups_per_step * sizes_.num_iterations;
}

POSTTRAIN_INLINE std::vector<std::size_t> RolloutQueue::next_groups() {
  const std::int64_t per_iteration = steps_of(rollout_) / sizes_.num_iterations;
  auto steps = minibatches(rollout_.groups.size(), sizes_.groups_per_step, sizes_.seed,
                           rollout_.number, next_ / per_iteration);
  auto& groups = steps[static_cast<std::size_t>(next_ % per_iteration)];
  ++next_;
  ++position_.step;
  return std::move(groups);
}

POSTTRAIN_INLINE StepBatches RolloutQueue::next_step(const RolloutNeeds& needs) {
  const bool first = next_ == 0;
  StepBatches step = step_batches(rollout_, advantages_, next_groups(), needs,
                                  sizes_.max_tokens_per_batch, size_of(sizes_.ranks));
  if (first) {
    for (RolloutBatch& batch : step.batches) batch.old_logps = Tensor();
  }
  return step;
}

POSTTRAIN_INLINE void RolloutQueue::next_epoch() {
  position_ = {position_.epoch + 1, 0};
  order_.begin(position_.epoch);
}

POSTTRAIN_INLINE std::int64_t RolloutQueue::steps_per_epoch() const {
  const auto steps = [&](std::int64_t groups) {
    return (groups + sizes_.groups_per_step - 1) / sizes_.groups_per_step;
  };
  const std::int64_t whole = sizes_.prompts / sizes_.groups_per_rollout,
                     rest = sizes_.prompts % sizes_.groups_per_rollout;
  return (whole * steps(sizes_.groups_per_rollout) + steps(rest)) * sizes_.num_iterations;
}

POSTTRAIN_INLINE std::string RolloutQueue::text() const {
  Json head = {{"epoch", position_.epoch},
               {"step", position_.step},
               {"rollouts", rollouts_},
               {"next", has_step() ? Json(next_) : Json(nullptr)}};
  order_.write(head);
  if (has_step()) {
    head["number"] = rollout_.number;
    head["temperature"] = rollout_.temperature;
    head["verifiers"] = rollout_.verifiers;
    head["verifier_weights"] = rollout_.verifier_weights;
    head["groups"] = rollout_.groups.size();
  }
  const auto line = [](const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  std::string text = line(head);
  if (has_step()) {
    for (const RolloutGroup& group : rollout_.groups) text += line(to_json(group));
  }
  return text;
}

POSTTRAIN_INLINE void RolloutQueue::restore(std::string_view text) {
  const std::string where = "the rollout in the checkpoint";
  const auto next_line = [&] {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) raise("{}: expected one more line, found none", where);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return io::parse_json_without_duplicates(line, where);
  };
  const Json head = next_line();
  const auto count = [&](const char* key, std::int64_t most) {
    return io::integer_from(io::required_under(head, key, where), where, key, 0, most);
  };
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  RolloutQueue read(sizes_, order_.weights());
  read.position_ = {count("epoch", kAny), count("step", kAny)};
  read.order_.read(head, read.position_.epoch, where);
  read.rollouts_ = count("rollouts", kAny);
  if (io::value_under(head, "next") != nullptr) {
    read.started_ = true;
    read.next_ = count("next", kAny);
    Rollout& rollout = read.rollout_;
    rollout.number = count("number", kAny);
    rollout.temperature =
        io::number_from(io::required_under(head, "temperature", where), where, "temperature");
    const auto list = [&](const char* key) -> const Json& {
      return io::array_from(io::required_under(head, key, where), where, key);
    };
    for (const Json& name : list("verifiers")) {
      rollout.verifiers.push_back(io::text_from(name, where, "verifiers"));
    }
    for (const Json& weight : list("verifier_weights")) {
      rollout.verifier_weights.push_back(io::number_from(weight, where, "verifier_weights"));
    }
    for (std::int64_t left = count("groups", sizes_.prompts); left > 0; --left) {
      rollout.groups.push_back(rollout_group_from(next_line(), where));
    }
  }
  if (!text.empty()) raise("{}: expected its end, found {} more bytes", where, text.size());
  *this = std::move(read);
}

}  // namespace posttrain::data
