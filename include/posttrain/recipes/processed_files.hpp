// SPDX-License-Identifier: Apache-2.0
// Tokenized data as files in Training Hub's processed form, which use_processed_dataset and
// mini_trainer read: JSON Lines of {"input_ids", "labels", "len", "num_loss_counted_tokens"}.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "posttrain/concepts/events.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain {

/// Writes `<folder>/data.jsonl`, and validation.jsonl where something is held out, when the run
/// begins: one that is refused leaves what was there. A label is the token where the loss scores
/// it, else −100; where a weight is neither 0 nor 1, a line has "weights", too. Copies share what
/// was kept.
class ProcessedFiles {
 public:
  ProcessedFiles() = default;  // none are written
  explicit ProcessedFiles(std::string folder)
      : folder_(std::move(folder)), kept_(std::make_shared<data::LoadedData>()) {}

  /// What is to be written; it shares the tokens with `data`.
  void keep(const data::LoadedData& data) const {
    if (kept_) *kept_ = data;
  }
  void on(const event::TrainBegin&) const { write(); }

  std::string description() const { return folder_; }

 private:
  void write() const;

  std::string folder_{};
  std::shared_ptr<data::LoadedData> kept_{};
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/processed_files.ipp"
#endif
