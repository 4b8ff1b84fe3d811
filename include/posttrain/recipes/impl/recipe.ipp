// SPDX-License-Identifier: Apache-2.0
// Definitions of recipe.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/environment_variables.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/scalar_type.hpp"
#include "posttrain/tensor/device.hpp"

namespace posttrain {

POSTTRAIN_INLINE models::ModelOptions Recipe::model_options() const {
  return {.dtype = scalar_type(dtype_), .device = Device(device_)};
}

POSTTRAIN_INLINE std::string Recipe::metrics_file() const {
  return (io::fs::path(options_.run_dir.str()) / options_.metrics_file.str()).string();
}

POSTTRAIN_INLINE RankPlace Recipe::place_of(const LaunchOptions& given) {
  const EnvironmentVariables own;
  const std::string processes = given.nproc_per_node.text();
  const bool counts_gpus = processes == "auto" || processes == "gpu";
  const Launch launch = resolve_launch(given, own, counts_gpus ? gpu_count() : 0);
  const RankPlace place = place_in(launch, own);
  if (place.rank == 0) {
    for (const std::string& note : launch.notes) fmt::print(stderr, "{}\n", note);
  }
  return place;
}

POSTTRAIN_INLINE void Recipe::say(const data::DataReport& report) const {
  if (options_.progress) fmt::print(stderr, "{}", report.summary());
  if (10 * report.too_long <= report.sequences) return;
  fmt::print(stderr,
             "warning: {} of {} sequences were dropped: longer than max_seq_len = {}; hint: raise "
             "it\n",
             report.too_long, report.sequences, options_.max_seq_len);
}

POSTTRAIN_INLINE void Recipe::write_parameters() const {
  io::write_file_atomically(
      io::fs::path(options_.run_dir.str()) / "training_params.json",
      parameters_.json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace posttrain
