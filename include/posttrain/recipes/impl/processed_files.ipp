// SPDX-License-Identifier: Apache-2.0
// Definition of processed_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/recipes/processed_files.hpp"

namespace posttrain {

namespace detail {

inline std::string processed_line(const Sequence& sequence) {
  TokenIds labels = sequence.ids;
  // Nothing precedes the first token, so its weight says nothing.
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i == 0 || sequence.weights[i] == 0.0F) labels[i] = -100;
  }
  const bool plain =
      std::all_of(sequence.weights.begin() + std::min<std::ptrdiff_t>(1, std::ssize(labels)),
                  sequence.weights.end(), [](float w) { return w == 0.0F || w == 1.0F; });
  return fmt::format(R"({{"input_ids":[{}],"labels":[{}],"len":{},"num_loss_counted_tokens":{}{}}})"
                     "\n",
                     join(sequence.ids, ","), join(labels, ","), labels.size(), sequence.counted(),
                     plain ? "" : fmt::format(R"(,"weights":[{}])", join(sequence.weights, ",")));
}

inline void write_lines(const io::fs::path& path, const data::SequenceStore& store) {
  io::AtomicFile file(path);
  for (const Sequence& sequence : store) file.write(processed_line(sequence));
  file.commit();
}

}  // namespace detail

POSTTRAIN_INLINE void ProcessedFiles::write() const {
  if (!kept_) return;
  const data::LoadedData data = std::exchange(*kept_, {});
  const io::fs::path folder(folder_);
  io::create_folders(folder);
  detail::write_lines(folder / "data.jsonl", data.train);
  if (!data.validation.empty()) detail::write_lines(folder / "validation.jsonl", data.validation);
}

}  // namespace posttrain
