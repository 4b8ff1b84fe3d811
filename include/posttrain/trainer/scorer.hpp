// SPDX-License-Identifier: Apache-2.0
// The model under its parameters as a loss sees it: scores of micro-batches, with a graph or
// without, those of the reference, and the gradients of an objective.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/nn/model_call.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/trainer/objective.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain {

namespace detail {

/// A batch's temperature acts here and nowhere else: policy, reference and teacher,
/// log-probabilities and entropy are all of the distribution that was drawn from.
inline Tensor cooled(Tensor logits, double temperature) {
  return temperature == 1.0 ? logits : logits / temperature;
}

/// The language-model head under a gate; both stay referred to. Outside of the scorer, since every
/// scorer of a model would have one of its own to compile.
template <class Model, class Gate>
ScoringHead model_head(const Model& model, const Gate& gate, double temperature) {
  return [&model, &gate, temperature](const Tensor& rows) {
    return cooled(model.logits(gate, rows), temperature);
  };
}

/// A head of hidden rows, for rows with other columns behind those `width`.
inline ScoringHead on_first_columns(ScoringHead head, std::int64_t width) {
  head.logits = [logits = std::move(head.logits), width](const Tensor& rows) {
    return logits(rows.narrow(1, 0, width).contiguous());
  };
  return head;
}

}  // namespace detail

/// The scorer of one optimizer step. It refers to what it is made of; `State` is const where
/// nothing trains.
template <class Model, class State, class Loss>
class Scorer {
 public:
  using Batch = typename Loss::Batch;

  /// Whether the model's `hidden` takes a ModelCall, and so the options that need one.
  static constexpr bool kTakesCall =
      requires(const Model& model, const State& state, const Batch& batch, ModelCall call) {
    model.hidden(state, batch, call);
  };

  Scorer(const Model& model, State& state, const Loss& loss, const Options& options,
         std::int64_t step)
      : model_(model), state_(state), loss_(loss), options_(options), step_(step) {}

  /// Batches as a step reads them: on the model's device, with the reference's scores where the
  /// loss compares.
  std::vector<Batch> prepared(const std::vector<Batch>& batches) const {
    std::vector<Batch> ready;
    for (const Batch& batch : batches) ready.push_back(prepared(batch));
    return ready;
  }

  /// One of them; with the reference's scores `known` where somebody else found them.
  Batch prepared(const Batch& host_batch, [[maybe_unused]] const Tensor& known = {}) const {
    Batch batch = posttrain::prepared(state_, host_batch).to(model_.device());
    if constexpr (needs_reference<Loss>()) {
      if (known.defined()) batch.ref_logps = known;
      // Where the state puts virtual tokens before sequences, the reference may be without them
      // and reads the batch as it came.
      if (!batch.ref_logps.defined()) {
        batch.ref_logps = reference_logps(PreparesBatches<State> ? host_batch : batch);
      }
    }
    return batch;
  }

  at::Device device() const { return model_.device(); }

  /// Of the hidden rows, for what a batch costs; 1,024 where the model does not say.
  std::int64_t width() const {
    if constexpr (requires { model_.config().hidden_size; }) return model_.config().hidden_size;
    return 1024;
  }

  /// log p of the targets under the reference.
  template <class AnyBatch>
  Tensor reference_logps(const AnyBatch& any_batch) const requires(needs_reference<Loss>()) {
    at::NoGradGuard no_grad;
    const AnyBatch batch = any_batch.to(model_.device());
    const auto& reference = state_.reference();
    return score_predictions(head(reference, batch), model_.hidden(reference, batch), batch, {},
                             chunk())
        .logp;
  }

  /// The micro-batches of a step for a loss that couples them, scored when it asks: `training` as
  /// the backward pass will see them, dropout included.
  std::vector<Scored<Batch>> scored(const std::vector<Batch>& batches, bool training) const {
    std::vector<Scored<Batch>> all;
    for (const Batch& batch : batches) all.push_back(scored(batch, training));
    return all;
  }

  Scored<Batch> scored(const Batch& batch, bool training) const {
    typename Scored<Batch>::Policy policy;
    typename Scored<Batch>::Reference reference;
    if constexpr (std::derived_from<Batch, TokenBatch>) {
      policy = [self = *this, training](const TokenBatch& other) {
        return self.score(posttrain::prepared(self.state_, other).to(self.model_.device()),
                          training, needs_of(self.loss_));
      };
      if constexpr (needs_reference<Loss>()) {
        reference = [self = *this](const TokenBatch& other) { return self.reference_logps(other); };
      }
    }
    return Scored<Batch>(
        batch,
        [self = *this, &batch, training] {
          return self.score(batch, training, needs_of(self.loss_));
        },
        std::move(policy), std::move(reference));
  }

  /// Scores of a host batch without a graph, without dropout and whatever the loss needs.
  Scores scores_of(const Batch& host_batch, Need need) const {
    return score(posttrain::prepared(state_, host_batch).to(model_.device()), /*training=*/false,
                 need);
  }

  /// log p of the targets under the teacher, [P].
  Tensor teacher_logps(const Batch& host_batch) const requires(HasTeacher<State>) {
    at::NoGradGuard no_grad;
    const Batch batch = host_batch.to(model_.device());
    const ScoringHead of_teacher = [this, temperature = temperature_of(batch)](const Tensor& rows) {
      return detail::cooled(state_.teacher_logits(rows), temperature);
    };
    return score_predictions(of_teacher, state_.teacher_hidden(batch), batch, {}, chunk()).logp;
  }

  /// Adds the gradients of one micro-batch's share in the objective; returns the share, a number on
  /// the device. `layer_done`: of ModelCall.
  Tensor backward(const Batch& batch, const Objective<Loss>& objective,
                  const std::function<void(std::int64_t)>& layer_done = {}) const {
    begin_batch(batch);
    const Need need = needs_of(loss_);
    const Scoring of = scoring(batch, /*training=*/true, need, layer_done);
    const Tensor share =
        backward_through_head(of.head, of.rows, batch, objective, need, 1.0, chunk());
    end_batch();
    return share;
  }

 private:
  /// Scores without a graph.
  template <class AnyBatch>
  Scores score(const AnyBatch& batch, bool training, Need need) const {
    at::NoGradGuard no_grad;
    if (training) begin_batch(batch);
    const Scoring of = scoring(batch, training, need);
    Scores scores = score_predictions(of.head, of.rows, batch, need, chunk());
    if (training) end_batch();
    return scores;
  }

  template <class AnyBatch>
  void begin_batch(const AnyBatch& batch) const {
    if constexpr (TakesBatches<State>) state_.begin_batch(batch, options_.seed, step_);
  }
  void end_batch() const {
    if constexpr (TakesBatches<State>) state_.end_batch();
  }

  std::int64_t chunk() const { return head_chunk_rows(model_.vocab_size(), model_.device()); }

  /// Rows of hidden states [T, …] and what scores them. Those of a critic and of a teacher that
  /// read for themselves stand behind the model's own in each row, so that one pass over chunks of
  /// rows serves all of them.
  struct Scoring {
    ScoringHead head;
    Tensor rows;
  };

  /// `need`: what is scored.
  template <class AnyBatch>
  Scoring scoring(const AnyBatch& batch, bool training, [[maybe_unused]] const Need& need,
                  const std::function<void(std::int64_t)>& layer_done = {}) const {
    Tensors pieces{hidden(batch, training, layer_done)};
    const std::int64_t own = pieces[0].size(1);
    ScoringHead::Function values, teacher;
    [[maybe_unused]] const auto add = [&](const Tensor& piece) {
      const std::int64_t begin = total_columns(pieces), width = piece.size(1);
      pieces.push_back(piece);
      return
          [begin, width](const Tensor& rows) { return rows.narrow(1, begin, width).contiguous(); };
    };
    if constexpr (ReadsForCritic<State>) {
      if (need.value) {
        values = [this, columns = add(state_.critic_hidden(batch))](const Tensor& rows) {
          return state_.critic_values(columns(rows));
        };
      }
    } else if constexpr (EstimatesValues<State>) {
      values = [this, own](const Tensor& rows) {
        return state_.critic_values(rows.narrow(1, 0, own));
      };
    }
    if constexpr (HasTeacher<State>) {
      if (need.divergence) {
        teacher = [this, columns = add(state_.teacher_hidden(batch)),
                   temperature = temperature_of(batch)](const Tensor& rows) {
          return detail::cooled(state_.teacher_logits(columns(rows)), temperature);
        };
      }
    }
    ScoringHead all = head(state_, batch);
    all.values = std::move(values);
    all.teacher = std::move(teacher);
    if (pieces.size() == 1) return {std::move(all), pieces[0]};
    return {detail::on_first_columns(std::move(all), own), beside(pieces)};
  }

  static std::int64_t total_columns(const Tensors& pieces) {
    std::int64_t total = 0;
    for (const Tensor& piece : pieces) total += piece.size(1);
    return total;
  }

  template <class AnyBatch>
  static double temperature_of([[maybe_unused]] const AnyBatch& batch) {
    if constexpr (HasTemperature<AnyBatch>) return batch.temperature;
    return 1.0;
  }

  /// The language-model head under a gate.
  template <class Gate, class AnyBatch>
  ScoringHead head(const Gate& gate, const AnyBatch& batch) const {
    return detail::model_head(model_, gate, temperature_of(batch));
  }

  template <class AnyBatch>
  Tensor hidden(const AnyBatch& batch, bool training,
                [[maybe_unused]] const std::function<void(std::int64_t)>& layer_done) const {
    if constexpr (kTakesCall) {
      ModelCall call;
      call.gradient_checkpointing = training && options_.gradient_checkpointing;
      if (training) call.neftune = {options_.neftune_noise_alpha, options_.seed, step_};
      call.layer_done = layer_done;
      return model_.hidden(state_, batch, call);
    } else {
      return model_.hidden(state_, batch);
    }
  }

  const Model& model_;
  State& state_;
  const Loss& loss_;
  const Options& options_;
  std::int64_t step_;
};

}  // namespace posttrain
