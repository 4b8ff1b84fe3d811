// SPDX-License-Identifier: Apache-2.0
// What all recipes do around their Trainer: checks before anything is read, the policies that their
// members say, saved models, the record of parameters.
//
//   const Recipe recipe(options, kSftFields, callbacks);
//   Trainer trainer(recipe.model(), NextToken{}, Full{}, …, recipe.optimizer(), recipe.options(),
//                   recipe.ranks());
//   return recipe.run(trainer);
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "posttrain/concepts/events.hpp"
#include "posttrain/data/pipeline/report.hpp"
#include "posttrain/distributed/launch.hpp"
#include "posttrain/distributed/ranks.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/recipes/any_optimizer.hpp"
#include "posttrain/recipes/conflicts.hpp"
#include "posttrain/recipes/field_table.hpp"
#include "posttrain/recipes/model_folders.hpp"
#include "posttrain/recipes/names.hpp"
#include "posttrain/recipes/recipe_result.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/run/callbacks.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

/// The run's options, as a recipe's members say them.
template <class O>
Options run_options(const O& o) {
  Options all;
  all.num_epochs = o.num_epochs;
  all.max_steps = o.max_steps;
  all.early_stopping_patience = o.early_stopping_patience;
  all.early_stopping_threshold = o.early_stopping_threshold;
  all.effective_batch_size = o.effective_batch_size;
  all.max_tokens_per_batch = o.max_tokens_per_gpu != 0
                                 ? o.max_tokens_per_gpu
                                 : std::max(all.max_tokens_per_batch, o.max_seq_len);
  all.max_seq_len = o.max_seq_len;
  all.validation_split = o.validation_split;
  all.skip_bad_samples = o.skip_bad_samples;
  all.deduplicate = o.deduplicate;
  all.learning_rate = o.learning_rate;
  all.lr_scheduler = o.lr_scheduler.schedule();
  all.warmup_steps = o.warmup_steps;
  all.max_grad_norm = o.max_grad_norm;
  all.seed = o.seed;
  all.gradient_checkpointing = o.gradient_checkpointing;
  all.run_dir = o.ckpt_output_dir;
  all.metrics_file = "training_metrics_0.jsonl";
  all.checkpoint_at_epoch = o.accelerate_full_state_at_epoch;
  all.checkpoint_storage = o.checkpoint_storage;
  all.stop_on_signal = o.enable_jit_checkpoint;
  all.validation_frequency = o.validation_frequency;
  all.validate_at_epoch = o.validate_at_epoch;
  all.logging_steps = o.logging_steps;
  all.tensorboard_log_dir = o.tensorboard_log_dir;
  all.progress = o.progress;
  return all;
}

/// Writes a trained model as a Hugging Face folder.
struct SaveModel {
  template <class Trainer>
  void check(const Trainer& trainer, const std::string& folder) const {
    trainer.check_save(folder);
  }
  template <class Trainer>
  void operator()(const Trainer& trainer, const std::string& folder) const {
    trainer.save(folder);
  }
  /// Whether a folder that is there already holds what this writes.
  bool holds(const std::string& folder) const {
    return io::fs::exists(io::fs::path(folder) / "config.json");
  }
};

class Recipe {
 public:
  template <class O, class Fields>
  Recipe(const O& o, const Fields& fields, const Callbacks& callbacks)
      : options_(run_options(o)),
        optimizer_{o.optimizer, o.beta1, o.beta2, o.eps, o.weight_decay},
        model_path_(o.model_path.str()),
        device_(o.device.str()),
        dtype_(o.train_dtype),
        save_samples_(o.save_samples),
        at_epoch_(o.checkpoint_at_epoch),
        at_end_(o.save_final_checkpoint),
        keep_best_(o.save_best_val_loss),
        folders_(o.ckpt_output_dir.str(), o.keep_last_checkpoint_only),
        callbacks_(callbacks) {
    check_members(o);
    ranks_.place = place_of({o.nproc_per_node, o.nnodes, o.node_rank, o.rdzv_id, o.rdzv_endpoint,
                             o.master_addr, o.master_port});
    ranks_.sharding = o.sharding;
    options_.validate();
    optimizer_.validate();
    for_each_row(fields, o, [&](const Field& row, const auto& value) {
      detail::add_field(parameters_, row.name, value);
    });
  }

  template <class Model = hub::PretrainedDecoder>
  Model model() const {
    return model_at<Model>(model_path_);
  }
  /// Another model, in the same dtype and on the same device.
  template <class Model>
  Model model_at(const std::string& path) const {
    return Model(path, model_options());
  }
  const Options& options() const { return options_; }
  const AnyOptimizer& optimizer() const { return optimizer_; }
  /// The processes that train together, as launcher and members say.
  const Ranks& ranks() const { return ranks_; }

  /// Trains, and saves what the members ask for, by the first rank; all return when everything is
  /// written. `save(trainer, folder)` writes a model.
  template <class Trainer, class Save = SaveModel>
  RecipeResult run(Trainer& trainer, const Save& save = {}) const {
    // Where the last model would go: what cannot be written is known before the work.
    trainer.by_first([&] {
      save.check(trainer, folders_.folder(0, false));
      say(trainer.report());
    });
    trainer.add(Saver<Trainer, Save>{this, &trainer, &save});
    trainer.add(callbacks_);
    const auto trained = trainer.train();
    trainer.by_first([&] {
      if (at_end_ && !trained.interrupted) write(trainer, save, false);
    });
    return {.model = folders_.newest(),
            .best = folders_.best(),
            .steps = trained.steps,
            .first_step = trained.first_step,
            .loss = trained.loss,
            .val_loss = trained.val_loss,
            .interrupted = trained.interrupted,
            .signal = trained.signal,
            .stopped_early = trained.stopped_early,
            .metrics_file = metrics_file()};
  }

 private:
  template <class Trainer, class Save>
  struct Saver {
    const Recipe* recipe;
    const Trainer* trainer;
    const Save* save;

    void on(const event::TrainBegin&) const {
      if (trainer->rank() == 0) recipe->write_parameters();
    }
    void on(const event::AfterStep& event) const {
      const std::int64_t now = event.metrics.total_samples_accumulated;
      const std::int64_t every = recipe->save_samples_;
      if (every > 0 && now / every > (now - event.metrics.num_samples) / every) {
        recipe->write(*trainer, *save, false);
      }
    }
    void on(const event::Evaluated& event) const {
      if (recipe->keep_best_ && event.best) recipe->write(*trainer, *save, true);
    }
    void on(const event::EpochEnd&) const {
      if (recipe->at_epoch_) recipe->write(*trainer, *save, false);
    }
  };

  template <class Trainer, class Save>
  void write(const Trainer& trainer, const Save& save, bool best) const {
    if (trainer.rank() != 0) return;
    const std::int64_t samples = trainer.samples();
    const std::string folder = folders_.folder(samples, best);
    if (!folders_.has(samples, best) || !save.holds(folder)) save(trainer, folder);
    // Of one that is there already, too: a kill may have left what it replaces.
    folders_.written(samples, best);
  }

  models::ModelOptions model_options() const;
  std::string metrics_file() const;
  /// This process's place; a line for what was set and does not act.
  static RankPlace place_of(const LaunchOptions& given);
  /// What became of the samples; where more than a tenth was dropped, in any case.
  void say(const data::DataReport& report) const;
  /// training_params.json: every member with its value.
  void write_parameters() const;

  Options options_;
  Ranks ranks_{};
  AnyOptimizer optimizer_;
  std::string model_path_, device_;
  TrainDtype dtype_;
  std::int64_t save_samples_;
  bool at_epoch_, at_end_, keep_best_;
  ModelFolders folders_;
  Callbacks callbacks_;
  RunRecord parameters_{};
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/recipe.ipp"
#endif
