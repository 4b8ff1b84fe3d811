// SPDX-License-Identifier: Apache-2.0
// What members of a recipe contradict each other: one line each, before anything is read.
#pragma once

#include "posttrain/base/error.hpp"

namespace posttrain {

/// Of members that every recipe has.
template <class O>
void check_members(const O& o) {
  const auto required = [](bool given, const char* member, const char* what) {
    if (!given) raise("expected {}, {}; got nothing", member, what);
  };
  required(!o.model_path.empty(), "model_path", "a folder, a GGUF file or org/name");
  required(!o.data_path.empty(), "data_path", "a file or a folder");
  required(!o.ckpt_output_dir.empty(), "ckpt_output_dir", "the folder of the run");
  o.data_path.validate();
  if (o.max_tokens_per_gpu != 0 && o.max_tokens_per_gpu < o.max_seq_len) {
    raise(
        "expected max_tokens_per_gpu to be at least max_seq_len = {}, got {}: a sample of that "
        "length would fit no micro-batch",
        o.max_seq_len, o.max_tokens_per_gpu);
  }
  if (o.validation_split > 0.0 && !o.validation_data_path.empty()) {
    raise("expected validation_split or validation_data_path, got both ({:g} and {})",
          o.validation_split, o.validation_data_path.view());
  }
  const bool held_out = o.validation_split > 0.0 || !o.validation_data_path.empty();
  const bool trigger = o.validation_frequency > 0 || o.validate_at_epoch;
  if (held_out && !trigger) {
    fail(
        "expected validation_frequency or validate_at_epoch beside held-out data, got neither: "
        "they would never be looked at");
  }
  const auto needs_held_out = [&](bool asked, const char* member) {
    if (!asked || held_out) return;
    raise("{} needs held-out data; hint: validation_split or validation_data_path", member);
  };
  needs_held_out(o.validation_frequency > 0, "validation_frequency");
  needs_held_out(o.validate_at_epoch, "validate_at_epoch");
  needs_held_out(o.save_best_val_loss, "save_best_val_loss");
  needs_held_out(o.early_stopping_patience > 0, "early_stopping_patience");
  if (o.save_samples < 0) raise("expected save_samples not to be negative, got {}", o.save_samples);
}

/// Of members that recipes on texts have.
template <class O>
void check_text_members(const O& o) {
  if (o.is_pretraining && o.block_size == 0) {
    fail("is_pretraining needs block_size, the tokens of a document's blocks");
  }
  const auto needs_pretraining = [&](bool given, const char* member) {
    if (given && !o.is_pretraining) raise("{} needs is_pretraining = true", member);
  };
  needs_pretraining(o.block_size != 0, "block_size");
  needs_pretraining(!o.document_column_name.empty(), "document_column_name");
  const auto other_data = [](bool both, const char* a, const char* b) {
    if (both) raise("expected {} or {}, got both: they are of other kinds of data", a, b);
  };
  other_data(o.is_pretraining && o.unmask_messages, "is_pretraining", "unmask_messages");
  other_data(o.is_pretraining && o.use_processed_dataset, "is_pretraining",
             "use_processed_dataset");
  other_data(o.unmask_messages && o.use_processed_dataset, "unmask_messages",
             "use_processed_dataset");
}

}  // namespace posttrain
