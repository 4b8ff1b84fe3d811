// SPDX-License-Identifier: Apache-2.0
// The training loop: what every legal combination of policies has in common.
//
// One optimizer step: all its micro-batches are at hand, so the loss's count is added up before the
// first backward pass; each micro-batch adds gradients of sum / count; the norm is clipped inside
// the optimizer's sweep. Hence splitting and packing change nothing and the logged loss is the
// optimised one. Nothing non-finite reaches the weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/stopwatch.hpp"
#include "posttrain/concepts/events.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/distributed/ranks.hpp"
#include "posttrain/params/attach_among.hpp"
#include "posttrain/tensor/allocator.hpp"
#include "posttrain/tensor/first_non_finite.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "posttrain/trainer/checkpoints.hpp"
#include "posttrain/trainer/early_stopping.hpp"
#include "posttrain/trainer/evaluation.hpp"
#include "posttrain/trainer/gradient_sum.hpp"
#include "posttrain/trainer/identity.hpp"
#include "posttrain/trainer/objective.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/policy_view.hpp"
#include "posttrain/trainer/reference_scores.hpp"
#include "posttrain/trainer/run/callbacks.hpp"
#include "posttrain/trainer/run/footprint.hpp"
#include "posttrain/trainer/run/log.hpp"
#include "posttrain/trainer/run/run_card.hpp"
#include "posttrain/trainer/run/run_folder.hpp"
#include "posttrain/trainer/run/signals.hpp"
#include "posttrain/trainer/scorer.hpp"
#include "posttrain/trainer/set_up.hpp"
#include "posttrain/trainer/shards.hpp"
#include "posttrain/trainer/share.hpp"
#include "posttrain/trainer/team.hpp"
#include "posttrain/trainer/update.hpp"

namespace posttrain {

/// The outcome of a run.
struct TrainResult {
  std::int64_t steps = 0;       // optimizer steps done, those before a resume included
  std::int64_t first_step = 0;  // those done before; equal to steps where nothing was left to do
  double loss = std::numeric_limits<double>::quiet_NaN();      // of the last step, if one was made
  double val_loss = std::numeric_limits<double>::quiet_NaN();  // of the last validation, if any
  bool interrupted = false;    // by a signal; run again with the same run_dir to go on
  int signal = 0;              // which one (trainer/run/signals.hpp)
  bool stopped_early = false;  // by early stopping or by a hook's Request
};

template <class Model, class Loss, class Params, class Data, class Optimizer>
class Engine {
 public:
  using Batch = typename Loss::Batch;
  using State = StateOf<Params, Model>;

  Engine(Model model, Loss loss, Params params, Data data, Optimizer optimizer,
         Options options = {}, const Ranks& ranks = {})
      : options_(prepared(options, loss, params, data, optimizer)),
        team_(team_of(ranks, model)),
        folder_(team_.leads() ? options_.run_dir.str() : ""),
        model_(std::move(model)),
        loss_(std::move(loss)),
        stream_(data::open_stream(data, load_context(options_, model_, team_),
                                  options_.effective_batch_size, model_.vocab_size())),
        state_(attached(params)),
        gradient_sum_(gradient_sum_of(team_, ranks, state_)),
        shards_(shards_of(team_, ranks, state_, gradient_sum_)),
        optimizer_(optimizer.attach(shards_.own(state_.trainable()))),
        card_(record(params, data, optimizer)),
        log_(
            options_, [&] { return card_.record(); }, team_.leads()) {
    if constexpr (requires { model_.check_all_loaded(); }) model_.check_all_loaded();
    if (device().is_cuda()) set_gpu_numerics(options_.deterministic, options_.allow_tf32);
    total_steps_ = options_.max_steps;
    if (total_steps_ == 0 &&
        __builtin_mul_overflow(options_.num_epochs, stream_.steps_per_epoch(), &total_steps_)) {
      raise("num_epochs = {} times {} steps is too many; hint: max_steps", options_.num_epochs,
            stream_.steps_per_epoch());
    }
    if constexpr (kRollsOut) {
      if constexpr (EstimatesAdvantages<Loss>) stream_.check(loss_.rollout_needs());
      if (stream_.needs_max_steps() && options_.max_steps == 0) {
        fail(
            "expected Options.max_steps: a filter of groups or a curriculum decides how many steps "
            "an epoch has; hint: set it");
      }
      static_assert(
          !(needs_reference<Loss>() && ScoresReferenceOnce<State>),
          "posttrain: WithReferenceScores scores data before the first step, and rollouts "
          "are made later [docs/concepts.md#rollouts]");
    } else if constexpr (needs_reference<Loss>() && ScoresReferenceOnce<State>) {
      score_reference_once(stream_, state_.reference_cache(), state_.weights(), team_,
                           [this](const Batch& batch) { return scorer().reference_logps(batch); });
    }
    const bool keeps = !options_.run_dir.empty();
    RunRecord identity;
    if (keeps || !team_.alone()) {
      identity = identity_of(options_, model_, loss_, params, data, optimizer, stream_);
    }
    if (keeps) {
      card_.take_base(identity);
      checkpoints_ = Checkpoints(options_.run_dir.str(), options_.keep_checkpoints, identity,
                                 options_.checkpoint_storage.str());
      if (!options_.resume) checkpoints_.check_storage_is_new();
    }
    if constexpr (MovesWithRun<Loss>) progress_.loss = loss_.first_state();
    if (keeps && options_.resume) resume();
    if constexpr (MovesWithRun<Loss>) loss_ = loss_.in_state(progress_.loss);
    check_ranks(team_, ranks, options_, identity, progress_.step);
  }

  /// Registers a callback (concepts/events.hpp).
  template <class Callback>
  void add(Callback callback) {
    callbacks_.add(std::move(callback));
  }

  /// Runs until num_epochs or max_steps are done, early stopping or a hook's Request ends it, or a
  /// signal asks to stop. A run with a run_dir leaves a checkpoint in any case. With resume =
  /// false, what an earlier run left in run_dir is set aside before the first step.
  TrainResult train() {
    try {
      return train_to_end();
    } catch (const std::exception& error) {
      std::string text = error_text(error);
      team_.end_with(text);
      if (!text.starts_with(kOutOfMemory)) throw;
      log_.finish();
      const std::size_t hint = std::min(text.find("; hint: "), text.size());
      text.insert(hint, fmt::format("; of what the run holds, {} is the largest part",
                                    footprint().largest()));
      throw Error(text);
    }
  }

  /// One optimizer step on these micro-batches.
  StepMetrics step(const std::vector<Batch>& batches) {
    const Stopwatch watch;
    const TransferCounts before = transfer_counts();
    StepMetrics metrics;
    std::int64_t scored = 0;
    for (const Batch& batch : batches) {
      metrics.num_total_tokens += batch.tokens();
      metrics.num_samples += static_cast<std::int64_t>(batch.samples.size());
      scored += batch.predictions();
    }
    for (ParameterGroup& group : state_.trainable()) group.grad.zero_();
    Objective<Loss> objective(loss_, batches);
    if (!objective.empty()) {
      const TrainingScorer scorer = training_scorer();
      const Share<Batch> share = share_of(team_, this->scorer(), scorer, loss_, objective, batches,
                                          /*training=*/true);
      Tensor loss;
      for (const std::size_t index : share.own) {
        const bool last = index == share.own.back();
        const Tensor part = scorer.backward(share.batches[index], objective,
                                            last ? gradient_sum_.layer_done() : nullptr);
        loss = loss.defined() ? loss + part : part;
      }
      metrics.lr = learning_rate(progress_.step);
      gradient_sum_.finish();
      const auto bad = update(state_, optimizer_, team_.sum(loss, device()), objective.means(),
                              options_.max_grad_norm, device(), metrics, team_, shards_);
      if (bad) stop_at(batches, *bad);
      progress_.last_loss = metrics.loss;
      if constexpr (MovesWithRun<Loss>) {
        progress_.loss = loss_.next_state(progress_.loss, metrics.loss_metrics);
        loss_ = loss_.in_state(progress_.loss);
      }
    }
    progress_.step += 1;
    progress_.samples += metrics.num_samples;
    progress_.tokens += metrics.num_total_tokens;
    progress_.scored += scored;
    metrics.step = progress_.step;
    metrics.epoch = static_cast<double>(progress_.step) /
                    static_cast<double>(std::max<std::int64_t>(1, stream_.steps_per_epoch()));
    metrics.batch_num_loss_counted_tokens = scored;
    metrics.num_loss_counted_tokens = progress_.scored;
    metrics.total_samples_accumulated = progress_.samples;
    metrics.total_tokens_accumulated = progress_.tokens;
    metrics.grad_accum = static_cast<std::int64_t>(batches.size());
    metrics.time_per_batch = watch.seconds();
    const double seconds = std::max(metrics.time_per_batch, 1e-9);
    metrics.tokens_per_second = static_cast<double>(metrics.num_total_tokens) / seconds;
    metrics.samples_per_second = static_cast<double>(metrics.num_samples) / seconds;
    metrics.peak_memory_usage_GB =
        device().is_cpu() ? peak_memory_gib() : peak_device_memory_gib(device());
    const TransferCounts after = transfer_counts();
    metrics.device_reads = after.reads - before.reads;
    metrics.device_uploads = after.uploads - before.uploads;
    return metrics;
  }

  /// The loss over these micro-batches, without gradients and without NEFTune.
  double evaluate(const std::vector<Batch>& batches) const {
    return evaluation_of(loss_, scorer(), batches).loss;
  }

  /// Writes the model as a Hugging Face folder, replacing what is there in one step; with a model
  /// card (docs/runs.md#model-cards) if the model's `save` takes one. Of several ranks the first
  /// writes, and the others go on.
  void save(const std::string& folder) const requires requires(const Model& model) {
    model.save(folder, std::vector<NamedTensor>{});
  }
  {
    if (!team_.leads()) return;
    if constexpr (requires { model_.save(folder, state_.weights(), std::nullopt, card()); }) {
      model_.save(folder, state_.weights(), std::nullopt, card());
    } else {
      model_.save(folder, state_.weights());
    }
  }

  /// The model card of what is saved now, for a `save` that takes one. `base_model`: the base's
  /// name on the Hub, or its folder, where the model does not know it.
  io::ModelCard card(const std::string& base_model = "") const {
    return card_.card(model_, progress_, total_steps_, report(), base_model);
  }

  /// Throws what `save(folder)` would throw of the folder, and leaves it as it is. Call it before
  /// `train`: what cannot be written is better known before the work than after it.
  void check_save(const std::string& folder) const {
    if (!team_.leads()) return;
    folder_.check_outside_of(folder);
    if constexpr (requires { model_.check_save(folder); }) model_.check_save(folder);
  }

  /// Writes a resumable checkpoint into run_dir. Every rank calls it; where they hold slices, each
  /// writes its own.
  void checkpoint() {
    last_checkpoint_ = progress_.step;
    if (!team_.leads() && !shards_.cut()) return;
    set_aside_earlier();
    progress_.position = stream_.position();
    if constexpr (kRollsOut) progress_.stream = stream_.kept();
    const std::string path = checkpoints_.save(progress_, training_tensors(), team_);
    if (team_.leads()) notify(event::CheckpointSaved{progress_.step, path});
  }

  /// Memory that the run holds: trained parameters, bytes of weights, gradients, optimizer.
  /// Those of this rank, where several train together.
  Footprint footprint() const {
    Footprint all = footprint_of(model_, state_, optimizer_.tensors());
    all.masters += shards_.master_bytes();
    return all;
  }

  const Model& model() const { return model_; }
  const State& state() const { return state_; }
  State& state() { return state_; }
  const Options& options() const { return options_; }
  const data::DataReport& report() const { return stream_.report(); }
  /// Number of this process among those that train together, and how many they are.
  std::int64_t rank() const { return team_.rank(); }
  std::int64_t ranks() const { return team_.size(); }
  /// Calls `work` on the first rank, and returns on every rank when it is done. Where it throws, so
  /// do all of them.
  template <class Work>
  void by_first(const Work& work) const {
    team_.by_first(work);
  }
  std::int64_t steps() const { return progress_.step; }
  std::int64_t total_steps() const { return total_steps_; }
  /// Sequences trained so far, an epoch's repeats included.
  std::int64_t samples() const { return progress_.samples; }

 private:
  TrainResult train_to_end() {
    const SignalGuard signals(options_.stop_on_signal);
    request_ = {};
    begin();
    notify(event::TrainBegin{progress_.step, total_steps_});
    TrainResult result;
    result.first_step = progress_.step;
    std::int64_t announced_epoch = -1;
    int signal = agree(signals);
    if (request_.save) checkpoint();
    request_.save = false;
    while (!done()) {
      const std::optional<std::vector<Batch>> batches = next_batches();
      if (!batches) continue;  // an epoch ended; it was announced with its last step
      if (const std::int64_t epoch = stream_.position().epoch; epoch != announced_epoch) {
        announced_epoch = epoch;
        notify(event::EpochBegin{epoch});
      }
      notify(event::StepBegin{progress_.step});
      StepMetrics metrics = step(*batches);
      if constexpr (kRollsOut)
        append(metrics.loss_metrics, stream_.measure(metrics.time_per_batch));
      if (team_.leads()) checkpoints_.confirm();
      result.loss = metrics.loss;
      log_.step(metrics, total_steps_);
      notify(event::AfterStep{metrics});
      if (due(options_.validation_frequency)) validate();
      if (stream_.at_epoch_end()) end_epoch(announced_epoch);
      signal = agree(signals);
      // The last checkpoint is made below, behind the last validation.
      if (done()) break;
      if (signal != 0) {
        result.interrupted = true;
        result.signal = signal;
        break;
      }
      if (due(options_.checkpoint_steps) || request_.save) checkpoint();
      request_.save = false;
    }
    if (!result.interrupted) validate();
    result.stopped_early = !result.interrupted && progress_.step < total_steps_;
    if (result.stopped_early) note_early_end();
    if (!options_.run_dir.empty()) {
      if (last_checkpoint_ != progress_.step) checkpoint();
      const bool good = !result.interrupted && team_.all(training_is_finite());
      if (good && team_.leads()) checkpoints_.confirm();
    }
    result.steps = progress_.step;
    result.val_loss = progress_.val_loss;
    log_.finish();
    notify(event::TrainEnd{progress_.step, result.interrupted, result.stopped_early});
    return result;
  }

  using Stream = decltype(data::open_stream(std::declval<const Data&>(),
                                            std::declval<const data::LoadContext&>(),
                                            std::int64_t{}, std::int64_t{}));

  /// Streams that make their batches by the policy (data/rollouts.hpp).
  using View = PolicyView<Model, State, Loss>;
  static constexpr bool kRollsOut = RollsOut<Stream, View>;

  View view() const { return {model_, state_, loss_, options_, progress_.step}; }

  std::optional<std::vector<Batch>> next_batches() {
    if constexpr (kRollsOut) {
      auto batches = stream_.next(view());
      if (const Rollout* rollout = stream_.new_rollout()) {
        notify(event::RolloutEnd{progress_.step, rollout});
      }
      return batches;
    } else {
      return stream_.next();
    }
  }

  using TrainingScorer = Scorer<Model, State, Loss>;
  static constexpr bool kTakesCall = TrainingScorer::kTakesCall;

  TrainingScorer training_scorer() { return {model_, state_, loss_, options_, progress_.step}; }
  Scorer<Model, const State, Loss> scorer() const {
    return {model_, state_, loss_, options_, progress_.step};
  }

  at::Device device() const {
    if constexpr (requires { model_.device(); }) return model_.device();
    return at::kCPU;
  }

  /// Of held-out data; where the policy answers them, by its rewards, of which less is better here.
  Evaluation evaluated_stream() {
    if constexpr (kRollsOut) {
      Evaluation result{std::numeric_limits<double>::quiet_NaN(), stream_.validate(view())};
      for (const auto& [name, value] : result.loss_metrics) {
        if (name == "reward") result.loss = -value;
      }
      return result;
    } else {
      return evaluation_of(loss_, scorer(), stream_.validation(), team_);
    }
  }

  /// Checks every policy before anything is loaded.
  static Options prepared(Options options, const Loss& loss, const Params& params, const Data& data,
                          const Optimizer& optimizer) {
    check_set_up(options, loss, params, data, optimizer, kTakesCall);
    if (options.tune_allocator) tune_allocator();
    return options;
  }

  /// What hooks and signals of all ranks ask for; returns the signal (0: none).
  int agree(const SignalGuard& signals) {
    const Team::Wish wish = team_.agreed({request_, signals.stop_signal()});
    request_ = wish.request;
    return wish.signal;
  }

  /// Checks what the data have before weights are made ready.
  State attached(const Params& params) const {
    check_validation(options_, stream_.has_validation());
    return attach_among(team_.alone() ? nullptr : team_.communicator(), params, model_);
  }

  double learning_rate(std::int64_t step) const {
    return options_.learning_rate * options_.lr_scheduler.factor(step, options_.warmup_steps,
                                                                 total_steps_,
                                                                 options_.learning_rate);
  }

  static void append(std::vector<std::pair<std::string, double>>& metrics,
                     std::vector<std::pair<std::string, double>> more) {
    for (auto& each : more) metrics.push_back(std::move(each));
  }

  bool due(std::int64_t every) const { return every > 0 && progress_.step % every == 0; }

  void end_epoch(std::int64_t epoch) {
    if (options_.validation_frequency == 0 || options_.validate_at_epoch) validate();
    notify(event::EpochEnd{epoch});
    if (options_.checkpoint_at_epoch && !done()) checkpoint();
  }

  void validate() {
    if (!stream_.has_validation() || progress_.last_validation == progress_.step) return;
    const Evaluation now = evaluated_stream();
    progress_.validations_without_gain = validations_without_gain(
        progress_.validations_without_gain, progress_.last_validation < 0, now.loss,
        progress_.best_val_loss, options_.early_stopping_threshold);
    progress_.val_loss = now.loss;
    progress_.last_validation = progress_.step;
    const bool best = now.loss < progress_.best_val_loss;
    if (best) {
      progress_.best_val_loss = now.loss;
      if (options_.save_best) save_best();
    }
    log_.validation(progress_.step, now.loss, best, now.loss_metrics);
    notify(event::Evaluated{progress_.step, now.loss, best, now.loss_metrics});
  }

  /// All steps are made, or the run ends before.
  bool done() const { return progress_.step >= total_steps_ || request_.stop || out_of_patience(); }
  bool out_of_patience() const { return stops_early(options_, progress_.validations_without_gain); }

  void note_early_end() {
    if (out_of_patience()) {
      log_.note(fmt::format(
          "early stopping ended the run after {} of {} steps: val_loss did not fall by more than "
          "{:g} in {} validations, the lowest is {:.6g}; hint: a greater early_stopping_patience "
          "goes on",
          progress_.step, total_steps_, options_.early_stopping_threshold,
          progress_.validations_without_gain, progress_.best_val_loss));
    } else {
      log_.note(
          fmt::format("a hook ended the run after {} of {} steps", progress_.step, total_steps_));
    }
  }

  /// Before anything is written that would be taken for the earlier run's.
  void set_aside_earlier() {
    if (!team_.leads() || options_.resume || std::exchange(set_aside_, true)) return;
    if (const io::fs::path aside = folder_.set_aside(options_.metrics_file.str()); !aside.empty()) {
      log_.note(fmt::format("what an earlier run left was set aside in {}", aside.string()));
    }
  }

  void begin() {
    set_aside_earlier();
    if (team_.leads()) checkpoints_.begin();
    log_.begin(footprint().text());
    if constexpr (kRollsOut && !KeepsKeys<Model> && requires { Stream::kSamples; }) {
      log_.note(
          "the model keeps no keys and values: each token that it samples reads its whole sequence "
          "again, which is slow; a models::Decoder reads it once");
    }
    if (progress_.step >= total_steps_) {
      log_.note(fmt::format("nothing is left to do: {} of {} steps are done", progress_.step,
                            total_steps_));
    }
  }

  RunRecord record(const Params& params, const Data& data, const Optimizer& optimizer) const {
    RunRecord all;
    all.add("loss", to_record(loss_));
    all.add("params", to_record(params));
    all.add("data", to_record(data));
    all.add("optimizer", to_record(optimizer));
    all.add("options", to_record(options_));
    all.add("data_report", to_record(stream_.report()));
    all.add("footprint", to_record(footprint()));
    if (!team_.alone()) all.add("ranks", team_.size());
    if (shards_.cut()) all.add("sharding", std::string_view("optimizer"));
    return all;
  }

  void save_best() {
    if constexpr (requires { save(""); }) {
      save(options_.run_dir.str() + "/best");
    } else {
      fail("save_best needs a model that can be saved as a folder; hint: load it from one");
    }
  }

  [[noreturn]] void stop_at(const std::vector<Batch>& batches, const NonFiniteNumber& bad) {
    std::vector<std::int64_t> samples;
    for (const Batch& batch : batches) {
      samples.insert(samples.end(), batch.samples.begin(), batch.samples.end());
    }
    log_.finish();
    raise("{} is {} at step {} (samples {}); the weights were not updated; {}", bad.what,
          std::isnan(bad.value) ? "nan" : "infinite", progress_.step + 1, join(samples, ", "),
          progress_.step == 0 ? hint_at_first_step() : checkpoints_.hint(progress_.step));
  }

  /// No learning rate has touched the weights yet: are they what was loaded?
  std::string hint_at_first_step() const {
    const std::optional<NonFinite> damage = first_non_finite_of(state_);
    if (!damage) return checkpoints_.hint(0);
    std::string file;
    if constexpr (requires { model_.file_of(damage->name); }) file = model_.file_of(damage->name);
    return damage->text(file) + "; hint: the model itself is damaged, load it anew";
  }

  bool training_is_finite() const {
    for (const NamedSlice& tensor : training_tensors()) {
      if (first_non_finite({tensor.name, tensor.value})) return false;
    }
    return true;
  }

  std::vector<NamedSlice> training_tensors() const {
    std::vector<NamedSlice> all = shards_.tensors(state_.trainable(), optimizer_.tensors());
    // Masters mean something only together with these (bases of subspaces).
    if constexpr (KeepsTensors<State>) {
      for (NamedTensor& tensor : state_.checkpoint_tensors()) {
        all.push_back({std::move(tensor.name), std::move(tensor.value)});
      }
    }
    return all;
  }

  void resume() {
    std::string warning;
    if (!checkpoints_.load(progress_, training_tensors(), warning)) return;
    if (!warning.empty()) log_.note(warning);
    last_checkpoint_ = progress_.step;
    shards_.gather();
    state_.publish();
    stream_.seek(progress_.position);
    if constexpr (kRollsOut) stream_.restore(progress_.stream);
    log_.resume(progress_.step);
  }

  template <class Event>
  void notify(const Event& event) {
    if constexpr (Hears<State, Event>) request_ |= told(state_, event);
    request_ |= callbacks_.notify(event);
    if (request_.save && options_.run_dir.empty()) {
      fail("a hook asks for a checkpoint, which needs Options.run_dir; hint: set it");
    }
  }

  Options options_;
  Team team_;
  RunFolder folder_;
  Model model_;
  Loss loss_;
  Stream stream_;
  State state_;
  GradientSum gradient_sum_;
  Shards shards_;
  OptimizerStateOf<Optimizer> optimizer_;
  RunCard card_;
  RunLog log_;
  Checkpoints checkpoints_;
  Callbacks callbacks_;
  Progress progress_;
  std::int64_t total_steps_ = 0;
  event::Request request_{};           // what hooks asked for since the last step
  bool set_aside_ = false;             // what an earlier run left, with resume = false
  std::int64_t last_checkpoint_ = -1;  // step of the newest one of this run
};

}  // namespace posttrain
