// SPDX-License-Identifier: Apache-2.0
// The model cards of a run: the README.md of every folder that it saves (io/model_card.hpp).
//
// A card says what the folder was trained from (the base's place and its content), on which files
// (with hashes), with which policies and options, and where the run stood. Making one reads each
// data file once more, and the base's weights once, unless the run's identity has read them
// (trainer/identity.hpp); later cards of the run have the hashes from the first.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "posttrain/concepts/batch.hpp"
#include "posttrain/data/pipeline/report.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/trainer/checkpoints.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

class RunCard {
 public:
  /// `record`: the content of run.json.
  explicit RunCard(RunRecord record) : record_(std::move(record)) {}

  const RunRecord& record() const { return record_; }

  /// Takes over the base's content from a run's identity, if that has it.
  void take_base(const RunRecord& identity);

  /// `base_model`: the base's name or folder where the model does not know it. library_name and
  /// base_model_relation are the writer's, who knows what the folder holds.
  template <class Model>
  io::ModelCard card(const Model& model, const Progress& progress, std::int64_t total_steps,
                     const data::DataReport& report, const std::string& base_model = "") const {
    Base base{.name = base_model};
    if constexpr (requires { model.folder(); }) base.path = model.folder();
    if constexpr (requires { model.drawn(); }) base.drawn = model.drawn();
    if constexpr (requires { model.content(); }) {
      if (base_content_.empty()) base_content_ = model.content().text();
    }
    io::ModelCard card = made(base, progress, total_steps, report);
    card.pipeline_tag = predicts_rewards<Model>() ? "text-classification" : "text-generation";
    return card;
  }

 private:
  struct Base {
    std::string name{};  // as the caller knows it
    std::string path{};  // of a folder or a file
    bool drawn = false;  // its weights are drawn at random
  };
  io::ModelCard made(const Base& base, const Progress& progress, std::int64_t total_steps,
                     const data::DataReport& report) const;
  std::string data_text(const data::DataReport& report) const;

  RunRecord record_;
  mutable std::string base_content_;                        // hash; empty: not known yet
  mutable std::map<std::string, std::string> file_hashes_;  // by path; empty: changed since
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/run_card.ipp"
#endif
