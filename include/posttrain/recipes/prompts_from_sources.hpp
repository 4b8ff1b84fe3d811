// SPDX-License-Identifier: Apache-2.0
// Prompts of several sources with shares, answered by the policy (recipes/data_sources.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/recipes/data_sources.hpp"
#include "posttrain/recipes/from_sources.hpp"

namespace posttrain {

/// `rollouts` over the prompts of each of the paths.
template <class V, class... More>
struct PromptsFromSources {
  using Batch = RolloutBatch;

  DataSources path{};
  Rollouts<V, More...> rollouts{};

  void validate() const {
    path.validate();
    of_source(rollouts, path, 0).validate();
  }

  data::RolloutStream open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const {
    return rollouts.open_with(
        load_sources(path,
                     [&](std::size_t i) { return of_source(rollouts, path, i).prompts(context); }),
        context, effective_batch_size);
  }
};

template <class V, class... More>
PromptsFromSources(DataSources, Rollouts<V, More...>) -> PromptsFromSources<V, More...>;

}  // namespace posttrain
