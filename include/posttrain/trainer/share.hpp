// SPDX-License-Identifier: Apache-2.0
// The micro-batches of a step that this rank works on, ready for the model.
//
// A loss that couples the whole step sees the scores of all micro-batches before the first backward
// pass. On several ranks each scores its own and learns of the others' what the loss asked for: the
// loss gathers from each micro-batch by itself first, where what it asks is noted down, and then
// from all of them, where the notes answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/distributed/shared_work.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/trainer/objective.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

template <class Batch>
struct Share {
  std::vector<Batch> batches{};    // this rank's, or all where the loss couples them
  std::vector<std::size_t> own{};  // of `batches`, in ascending order
};

namespace detail {

/// What a loss asked of a micro-batch while it gathered, in the order of its questions.
class Notes {
 public:
  explicit Notes(Tensors answers = {}, at::Device device = at::kCPU)
      : answers_(std::move(answers)), device_(device) {}

  const Tensors& answers() const { return answers_; }

  Scores write(Scores scores) {
    for (const auto field : kScoreFields) answers_.push_back(scores.*field);
    return scores;
  }
  Tensor write(Tensor number) {
    answers_.push_back(number);
    return number;
  }
  Scores read_scores() {
    Scores scores;
    for (const auto field : kScoreFields) scores.*field = read();
    return scores;
  }
  Tensor read() {
    if (next_ == answers_.size()) {
      fail(
          "a loss that gathers asked more of a micro-batch of the whole step than of it alone; "
          "hint: docs/concepts.md#loss");
    }
    const Tensor& answer = answers_[next_++];
    return answer.defined() ? answer.to(device_) : answer;
  }

 private:
  Tensors answers_;
  at::Device device_;
  std::size_t next_ = 0;
};

/// The micro-batch with its answers noted down.
template <class Batch>
Scored<Batch> noting(const Scored<Batch>& scored, Notes& notes) {
  return Scored<Batch>(
      scored.batch(), [&] { return notes.write(scored.scores()); },
      [&](const TokenBatch& other) { return notes.write(scored.scores_of(other)); },
      [&](const TokenBatch& other) { return notes.write(scored.ref_logps_of(other)); });
}

/// The micro-batch with the answers of the notes.
template <class Batch>
Scored<Batch> answered(const Batch& batch, Notes notes) {
  const auto shared = std::make_shared<Notes>(std::move(notes));
  return Scored<Batch>(
      batch, [shared] { return shared->read_scores(); },
      [shared](const TokenBatch&) { return shared->read_scores(); },
      [shared](const TokenBatch&) { return shared->read(); });
}

/// Prepares all micro-batches and gathers the objective's statistics, each rank scoring its own.
template <class Loss, class Preparing, class Scoring>
std::vector<typename Loss::Batch> gathered_by_all(const Team& team, const Preparing& preparing,
                                                  const Scoring& scoring, const Loss& loss,
                                                  Objective<Loss>& objective,
                                                  const std::vector<typename Loss::Batch>& batches,
                                                  std::span<const double> costs, bool training) {
  using Batch = typename Loss::Batch;
  std::vector<std::optional<Batch>> own(batches.size());
  const std::vector<Tensors> notes =
      shared_work(team.communicator().get(), costs, [&](std::size_t i) {
        own[i] = preparing.prepared(batches[i]);
        Notes of_own;
        if constexpr (needs_reference<Loss>()) of_own.write(own[i]->ref_logps);
        static_cast<void>(gathered(loss, {noting(scoring.scored(*own[i], training), of_own)}));
        return of_own.answers();
      });
  std::vector<Batch> ready;
  std::vector<Scored<Batch>> step;
  ready.reserve(batches.size());  // they are known by their addresses
  for (std::size_t i = 0; i < batches.size(); ++i) {
    Notes answers(notes[i], scoring.device());
    Tensor reference;
    if constexpr (needs_reference<Loss>()) reference = answers.read();
    ready.push_back(own[i] ? std::move(*own[i]) : preparing.prepared(batches[i], reference));
    step.push_back(answered(ready.back(), std::move(answers)));
  }
  objective.gather(step);
  return ready;
}

/// What micro-batches cost, in tokens: those that they have, and as much of one as the attention of
/// a Llama of this width is of all products of a layer (12 width² each token, 2 width each pair of
/// a query and a key).
template <class Batch>
std::vector<double> costs_of(const std::vector<Batch>& batches, std::int64_t width) {
  std::vector<double> costs;
  for (const Batch& batch : batches) {
    double& cost = costs.emplace_back(static_cast<double>(batch.tokens()));
    if constexpr (requires { attended_pairs(batch.nodes); }) {
      cost += attended_pairs(batch.nodes) / (6.0 * static_cast<double>(width));
    }
  }
  return costs;
}

}  // namespace detail

/// This rank's micro-batches, ready; the objective has its statistics then, if it wants any.
/// `preparing` and `scoring`: scorers (trainer/scorer.hpp); `training`: what is gathered is scored
/// as the backward pass will see it.
template <class Loss, class Preparing, class Scoring>
Share<typename Loss::Batch> share_of(const Team& team, const Preparing& preparing,
                                     const Scoring& scoring, const Loss& loss,
                                     Objective<Loss>& objective,
                                     const std::vector<typename Loss::Batch>& batches,
                                     bool training) {
  Share<typename Loss::Batch> share;
  const std::vector<double> costs = detail::costs_of(batches, scoring.width());
  share.own = team.own(costs);
  if constexpr (Objective<Loss>::gathers) {
    if (objective.wants_statistics()) {
      if (team.alone()) {
        share.batches = preparing.prepared(batches);
        objective.gather(scoring.scored(share.batches, training));
      } else {
        share.batches = detail::gathered_by_all(team, preparing, scoring, loss, objective, batches,
                                                costs, training);
      }
      return share;
    }
  }
  for (std::size_t& index : share.own) {
    share.batches.push_back(preparing.prepared(batches[index]));
    index = share.batches.size() - 1;
  }
  return share;
}

}  // namespace posttrain
