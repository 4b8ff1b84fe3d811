// SPDX-License-Identifier: Apache-2.0
// Scores of a reference that are computed once, before the first step
// (params/with_reference_scores.hpp): where they are kept, and when they are those wanted.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

/// A state whose reference is gone after the first step.
template <class State>
concept ScoresReferenceOnce = requires(const State& state) {
  { state.reference_cache() } -> std::same_as<const std::string&>;
};

/// A file of float32 scores, named by what they follow from; none if `folder` is empty.
class ReferenceScoreFile {
 public:
  /// `weights` of the reference; `data` hashed by whoever knows its items.
  ReferenceScoreFile(const std::string& folder, const std::vector<NamedTensor>& weights,
                     const ContentHash& data);

  /// Scores kept by an earlier run; nothing if there are none, or if they cannot be read.
  std::optional<std::vector<float>> find() const;
  void keep(const std::vector<float>& scores) const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Scores all items of a stream, ranks together, or takes the scores of an earlier run, which all
/// ranks must have found. `score(batch)` → [P].
template <class Stream, class Score>
void score_reference_once(Stream& stream, const std::string& folder,
                          const std::vector<NamedTensor>& weights, const Team& team,
                          const Score& score) {
  constexpr bool keeps = requires { stream.reference_scores(); };
  static_assert(keeps,
                "posttrain: WithReferenceScores needs data whose items keep scores, such as "
                "Preferences; what KTO compares depends on the step "
                "[docs/concepts.md#reference]");
  if constexpr (keeps) {
    const ReferenceScoreFile file(folder, weights, stream.content());
    const std::optional<std::vector<float>> kept = file.find();
    if (team.all(kept && stream.set_reference_scores(*kept))) return;
    stream.score_reference(score);
    if (team.leads()) file.keep(stream.reference_scores());
  }
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/reference_scores.ipp"
#endif
