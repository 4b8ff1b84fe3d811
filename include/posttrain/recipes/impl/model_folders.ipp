// SPDX-License-Identifier: Apache-2.0
// Definitions of model_folders.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/recipes/model_folders.hpp"

namespace posttrain {

namespace detail {

inline constexpr std::string_view kSamples = "samples_";
inline constexpr std::string_view kBest = "_best_val_loss";

struct SavedModel {
  std::int64_t samples = 0;
  bool best = false;
  io::fs::path path{};
};

/// The saved models of a folder, by rising number of samples.
inline std::vector<SavedModel> saved_models(const std::string& output) {
  std::vector<SavedModel> all;
  std::error_code error;
  for (const auto& entry : io::fs::directory_iterator(output, error)) {
    const std::string name = entry.path().filename().string();
    std::string_view rest = name;
    if (!rest.starts_with(kSamples)) continue;
    rest.remove_prefix(kSamples.size());
    SavedModel model{.best = rest.ends_with(kBest), .path = entry.path()};
    if (model.best) rest.remove_suffix(kBest.size());
    const auto [end, problem] =
        std::from_chars(rest.data(), rest.data() + rest.size(), model.samples);
    if (problem != std::errc() || end != rest.data() + rest.size()) continue;
    all.push_back(std::move(model));
  }
  std::ranges::sort(all, {}, [](const SavedModel& model) { return model.samples; });
  return all;
}

}  // namespace detail

POSTTRAIN_INLINE ModelFolders::ModelFolders(std::string output, bool newest_only)
    : output_(std::move(output)), newest_only_(newest_only) {
  output_ = (io::fs::path(output_) / "hf_format").string();
}

POSTTRAIN_INLINE std::string ModelFolders::folder(std::int64_t samples, bool best) const {
  const std::string name = std::string(detail::kSamples) + std::to_string(samples) +
                           std::string(best ? detail::kBest : "");
  return (io::fs::path(output_) / name).string();
}

POSTTRAIN_INLINE bool ModelFolders::has(std::int64_t samples, bool best) const {
  return io::fs::exists(folder(samples, best));
}

POSTTRAIN_INLINE void ModelFolders::written(std::int64_t samples, bool best) const {
  if (!best && !newest_only_) return;
  io::sweep_abandoned(output_);
  for (const detail::SavedModel& model : detail::saved_models(output_)) {
    if (model.best != best || model.samples == samples) continue;
    // Under its own name a model is whole: a kill leaves a part of it under another.
    const io::TemporaryFolder removed(output_, model.path.filename().string());
    io::fs::rename(model.path, removed.path() / model.path.filename());
  }
}

POSTTRAIN_INLINE std::string ModelFolders::newest() const {
  std::string found;
  for (const detail::SavedModel& model : detail::saved_models(output_)) {
    if (!model.best) found = model.path.string();
  }
  return found;
}

POSTTRAIN_INLINE std::string ModelFolders::best() const {
  std::string found;
  for (const detail::SavedModel& model : detail::saved_models(output_)) {
    if (model.best) found = model.path.string();
  }
  return found;
}

}  // namespace posttrain
