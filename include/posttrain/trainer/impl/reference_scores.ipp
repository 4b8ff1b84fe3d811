// SPDX-License-Identifier: Apache-2.0
// Definitions of reference_scores.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <filesystem>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/tensor/content.hpp"
#include "posttrain/trainer/reference_scores.hpp"

namespace posttrain {

POSTTRAIN_INLINE ReferenceScoreFile::ReferenceScoreFile(const std::string& folder,
                                                        const std::vector<NamedTensor>& weights,
                                                        const ContentHash& data) {
  if (folder.empty()) return;
  ContentHash hash = data;
  for (const NamedTensor& weight : weights) add_content(hash, weight);
  io::create_folders(folder);
  path_ = (std::filesystem::path(folder) / (hash.text() + ".reference.safetensors")).string();
}

POSTTRAIN_INLINE std::optional<std::vector<float>> ReferenceScoreFile::find() const {
  if (path_.empty() || !std::filesystem::exists(path_)) return std::nullopt;
  try {
    const Tensor scores = io::load_tensors(path_).at("ref_logps").to(at::kFloat).contiguous();
    const float* first = scores.const_data_ptr<float>();
    return std::vector<float>(first, first + scores.numel());
  } catch (const std::exception&) {  // damaged: they are made again
    return std::nullopt;
  }
}

POSTTRAIN_INLINE void ReferenceScoreFile::keep(const std::vector<float>& scores) const {
  if (!path_.empty()) io::save_tensors(path_, {{"ref_logps", at::tensor(scores, at::kFloat)}});
}

}  // namespace posttrain
