// SPDX-License-Identifier: Apache-2.0
// The rows of fields that several recipes have (recipes/field_table.hpp), in the order that all
// aggregates follow: paths, the method's own, epochs to micro-batch, data, optimisation,
// validation, saving, logging, launch. A text stands here once, so one name has one meaning.
#pragma once

#include <array>
#include <cstddef>

#include "posttrain/recipes/field_table.hpp"

namespace posttrain {

template <class O>
constexpr auto path_fields() {
  return std::array{
      field<&O::model_path>("",
                            "a folder, a GGUF file, or org/name of the local Hugging Face cache"),
      field<&O::data_path>("", "a file, a folder of files, or several with their shares"),
      field<&O::ckpt_output_dir>("", "the run's folder: models, checkpoints, metrics"),
  };
}

template <class O>
constexpr auto length_fields() {
  return std::array{
      field<&O::num_epochs>("epochs", "passes over the training data"),
      field<&O::effective_batch_size>("samples",
                                      "of an optimizer step, whatever the micro-batches"),
      field<&O::learning_rate>("", "the peak, before the schedule"),
      field<&O::max_seq_len>("tokens", "longer samples are dropped and counted; 0: no limit"),
      field<&O::max_tokens_per_gpu>(
          "tokens", "of a micro-batch: the memory bound; 0: 4096, or max_seq_len if that is more"),
      field<&O::max_steps>("steps", "if positive, instead of num_epochs"),
  };
}

/// Of any kind of data.
template <class O>
constexpr auto data_fields() {
  return std::array{
      field<&O::skip_bad_samples>("", "count malformed samples instead of stopping at the first"),
      field<&O::deduplicate>("", "drop and count samples that repeat an earlier one"),
  };
}

/// Of texts that are trained token by token.
template <class O>
constexpr auto text_fields() {
  return std::array{
      field<&O::data_output_dir>("",
                                 "folder of data.jsonl, the tokens that are trained; empty: "
                                 "ckpt_output_dir/data"),
      field<&O::is_pretraining>("", "the data are documents, trained whole, in blocks"),
      field<&O::block_size>("tokens", "of a document's blocks, with is_pretraining"),
      field<&O::document_column_name>("",
                                      "the documents' key, with is_pretraining; empty: text or "
                                      "document"),
      field<&O::unmask_messages>("", "train on everything but system messages"),
      field<&O::use_processed_dataset>("", "the data are tokens already: a data.jsonl"),
  };
}

template <class O>
constexpr auto optimisation_fields() {
  return std::array{
      field<&O::warmup_steps>("steps", "in which the learning rate rises to its peak"),
      field<&O::lr_scheduler>("",
                              "by transformers' name, or an optim::Schedule with its arguments"),
      field<&O::optimizer>("", "adamw, or adamw_8bit with moments in 8 bits"),
      field<&O::beta1>("", "AdamW's decay of the gradient's mean"),
      field<&O::beta2>("", "AdamW's decay of its square's mean"),
      field<&O::eps>("", "AdamW's divisor at least"),
      field<&O::weight_decay>("", "decoupled, of matrices"),
      field<&O::max_grad_norm>("", "gradients are clipped to this norm; 0: none are"),
      field<&O::gradient_checkpointing>("", "layers run again backward: less memory, more time"),
      field<&O::train_dtype>("", "of computation: float32 or bfloat16 (with float32 masters)"),
      field<&O::device>("", "cpu, cuda, cuda:1"),
      field<&O::seed>("", "of shuffling, splitting, and what is drawn"),
  };
}

template <class O>
constexpr auto validation_fields() {
  return std::array{
      field<&O::validation_split>("share", "of the samples, held out, in [0, 1)"),
      field<&O::validation_data_path>("", "held-out data of their own"),
      field<&O::validation_frequency>("steps", "between validations; 0: none by steps"),
      field<&O::validate_at_epoch>("", "validate at the end of each epoch"),
      field<&O::save_best_val_loss>("", "keep the model with the lowest validation loss"),
      field<&O::early_stopping_patience>(
          "validations", "in a row without improvement that end the run; 0: none do"),
      field<&O::early_stopping_threshold>("", "by how much a lower loss must be lower to count"),
  };
}

template <class O>
constexpr auto saving_fields() {
  return std::array{
      field<&O::save_samples>("samples", "between saved models; 0: none by samples"),
      field<&O::checkpoint_at_epoch>("", "save a model at the end of each epoch"),
      field<&O::accelerate_full_state_at_epoch>("",
                                                "save the state for resuming at the end of each "
                                                "epoch; it is saved at the run's end in any case"),
      field<&O::save_final_checkpoint>("", "save the model at the end"),
      field<&O::keep_last_checkpoint_only>("", "of the saved models keep the newest, and the best"),
      field<&O::checkpoint_storage>(
          "",
          "a second folder that gets every state for resuming; the newest "
          "of both is resumed from"),
      field<&O::enable_jit_checkpoint>(
          "",
          "a signal (SIGTERM, SIGINT, SIGHUP, SIGUSR1) saves the state "
          "and ends the run; false: it ends the process"),
  };
}

template <class O>
constexpr auto logging_fields() {
  return std::array{
      field<&O::logging_steps>("steps", "between records of metrics"),
      field<&O::tensorboard_log_dir>("", "folder of TensorBoard's event files; empty: none"),
      field<&O::progress>("", "a progress line on standard error"),
  };
}

template <class O>
constexpr auto launch_fields() {
  return std::array{
      field<&O::nproc_per_node>("processes", "on each machine: a number, auto or gpu; 1"),
      field<&O::nnodes>("machines", "1"),
      field<&O::node_rank>("", "number of this machine, from 0; 0"),
      field<&O::rdzv_id>("", "name of the run, the same on all machines; 0"),
      field<&O::rdzv_endpoint>("", "where processes meet, host:port; or else"),
      field<&O::master_addr>("", "the host"),
      field<&O::master_port>("", "and its port"),
      field<&O::sharding>("",
                          "what the processes share: none, or optimizer (its moments, and the "
                          "masters of narrower weights)"),
  };
}

/// Of which parameters train, where a recipe leaves that open (recipes/parameter_choice.hpp).
template <class O>
constexpr auto parameter_fields() {
  return std::array{
      field<&O::lora_r>("", "the adapters' rank; 0 (but in lora_sft): none, all weights train"),
      field<&O::lora_alpha>("", "an adapter counts lora_alpha / lora_r times"),
      field<&O::target_modules>(
          "", "matrices that get one, by name or pattern; all-linear: all but the LM head"),
      field<&O::unfreeze_rank_ratio>("share",
                                     "of each matrix's directions that train (OSFT), in [0, 1]"),
      field<&O::load_in_4bit>("", "what is frozen is stored in 4 bits (NF4)"),
  };
}

/// Of sampling and of the loss on what was sampled (recipes/policy_training.hpp).
template <class O>
constexpr auto policy_fields() {
  return std::array{
      field<&O::reward_fn>("", "what judges answers: numeric, math, exact, choice, or a callable"),
      field<&O::loss_type>("", "TRL's name of the loss (docs/losses.md)"),
      field<&O::use_dr_grpo>("", "grpo without its biases by length and deviation: dr_grpo"),
      field<&O::beta>(
          "", "weight of the distance from the reference; 0: the loss's own (of policies: none)"),
      field<&O::epsilon>("", "how far a ratio may move; 0: the loss's own, 0.2"),
      field<&O::epsilon_high>("", "upward; of cispo its cap; 0: the loss's own"),
      field<&O::num_generations>("samples", "of a prompt, compared with each other"),
      field<&O::max_tokens>("tokens", "of an answer"),
      field<&O::temperature>("", "that answers are drawn at, and scored"),
      field<&O::dynamic_sampling>(
          "", "groups with equal rewards give way to other prompts; needs max_steps"),
  };
}

/// The whole table of a recipe: `own` are the method's rows, `data` those of its kind of data.
template <class O, std::size_t Own, std::size_t Data>
constexpr auto recipe_fields(const std::array<Field, Own>& own,
                             const std::array<Field, Data>& data) {
  return joined(path_fields<O>(), own, length_fields<O>(), data, data_fields<O>(),
                optimisation_fields<O>(), validation_fields<O>(), saving_fields<O>(),
                logging_fields<O>(), launch_fields<O>());
}

}  // namespace posttrain
