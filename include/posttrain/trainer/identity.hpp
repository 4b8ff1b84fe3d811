// SPDX-License-Identifier: Apache-2.0
// What a run is, as records: all that decides its numbers, for checkpoints, and all that it was
// given, for its run.json.
#pragma once

#include <string_view>

#include "posttrain/tensor/tensor.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

/// All that decides the numbers of a run; by the content of data and model, not by their place.
template <class Model, class Loss, class Params, class Data, class Optimizer, class Stream>
RunRecord identity_of(const Options& options, const Model& model, const Loss& loss,
                      const Params& params, const Data& data, const Optimizer& optimizer,
                      const Stream& stream) {
  RunRecord all;
  all.add("options", to_record(options).only(
                         {"effective_batch_size", "max_tokens_per_batch", "max_seq_len", "truncate",
                          "validation_split", "deduplicate", "learning_rate", "lr_scheduler",
                          "warmup_steps", "max_grad_norm", "neftune_noise_alpha", "seed"}));
  all.add("loss", to_record(loss));
  all.add("params", to_record(params).without({"cache_dir"}));
  RunRecord data_record =
      to_record(data).without({"path", "validation_path", "output", "generator", "threads"});
  if constexpr (requires { stream.content(); }) {
    data_record.add("content", std::string_view(stream.content().text()));
  }
  all.add("data", data_record);
  all.add("optimizer", to_record(optimizer));
  RunRecord model_record;
  if constexpr (requires { model.dtype(); }) {
    model_record.add("dtype", std::string_view(c10::toString(model.dtype())));
  }
  if constexpr (requires { model.content(); }) {
    model_record.add("content", std::string_view(model.content().text()));
  }
  all.add("model", model_record);
  return all;
}

}  // namespace posttrain
