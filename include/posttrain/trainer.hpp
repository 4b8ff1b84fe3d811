// SPDX-License-Identifier: Apache-2.0
// Trainer: loss × parameters × data as one type.
//
//   Trainer trainer(model, NextToken{}, Full{}, Messages{.path = "chats.jsonl"}, AdamW{},
//                   {.learning_rate = 1e-5});
//   trainer.train();
//   trainer.save("tuned");
//
// The type is deduced; a combination that cannot work is refused at compile time with one message
// (concepts/check.hpp). This header includes no concrete policy: adding one touches no existing
// file.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/data/pipeline/report.hpp"
#include "posttrain/distributed/ranks.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/trainer/engine.hpp"

namespace posttrain {

/// Stands in for the engine of a combination that was refused, so that its message is the only
/// error.
template <class Model, class Loss, class Params, class Data, class Optimizer>
class Refused {
 public:
  Refused(Model, Loss, Params, Data, Optimizer, Options = {}, Ranks = {}) {}
  template <class Callback>
  void add(Callback) {}
  TrainResult train() { return {}; }
  void save(const std::string&) const {}
  void check_save(const std::string&) const {}
  void checkpoint() {}
  std::int64_t steps() const { return 0; }
  std::int64_t total_steps() const { return 0; }
  std::int64_t samples() const { return 0; }
  data::DataReport report() const { return {}; }
};

template <class Model, class Loss, class Params, class Data, class Optimizer>
class Trainer : public std::conditional_t<check_trainer<Model, Loss, Params, Data, Optimizer>(),
                                          Engine<Model, Loss, Params, Data, Optimizer>,
                                          Refused<Model, Loss, Params, Data, Optimizer>> {
  using Base = std::conditional_t<check_trainer<Model, Loss, Params, Data, Optimizer>(),
                                  Engine<Model, Loss, Params, Data, Optimizer>,
                                  Refused<Model, Loss, Params, Data, Optimizer>>;

 public:
  /// Checks the policies' values, joins the other ranks if there are any (distributed/ranks.hpp),
  /// reads the data, loads the weights and, if options.run_dir holds a complete checkpoint, resumes
  /// from it.
  Trainer(Model model, Loss loss, Params params, Data data, Optimizer optimizer,
          Options options = {}, Ranks ranks = {})
      : Base(std::move(model), std::move(loss), std::move(params), std::move(data),
             std::move(optimizer), std::move(options), ranks) {}

  /// Takes a whole experiment (concepts/experiment.hpp).
  Trainer(Model model, Experiment<Loss, Params, Data, Optimizer, Options> experiment,
          Ranks ranks = {})
      : Trainer(std::move(model), experiment.loss, experiment.params, experiment.data,
                experiment.optimizer, experiment.options, std::move(ranks)) {}
};

/// Writes what was trained beside its base: an adapter, a prompt, a change of subspaces, with a
/// model card (docs/runs.md#model-cards). `base_model` is the base's folder or name. The policy's
/// own header of files says how (params/lora/files.hpp, …); `trainer.save(folder)` writes models.
/// Of several ranks the first writes, and the others go on.
template <class Model, class Loss, class Params, class Data, class Optimizer>
void save(const Trainer<Model, Loss, Params, Data, Optimizer>& trainer, const std::string& folder,
          const std::string& base_model = "") {
  if constexpr (check_trainer<Model, Loss, Params, Data, Optimizer>()) {
    constexpr bool has_files = requires {
      save(trainer.state(), folder, base_model, io::ModelCard{});
    };
    static_assert(
        has_files,
        "posttrain: save(trainer, folder) writes an adapter, a prompt or a change and needs "
        "the policy's files header; a model: trainer.save [docs/runs.md#model-cards]");
    if constexpr (has_files) {
      if (trainer.rank() != 0) return;
      save(trainer.state(), folder, base_model, trainer.card(base_model));
    }
  }
}

}  // namespace posttrain
