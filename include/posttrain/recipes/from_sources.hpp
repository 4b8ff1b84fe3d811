// SPDX-License-Identifier: Apache-2.0
// A data policy over several sources with shares (recipes/data_sources.hpp).
#pragma once

#include <cstddef>
#include <utility>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/mixture.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/recipes/data_sources.hpp"

namespace posttrain {

/// Loads each source and puts them side by side; `load_one(i)` loads source i.
template <class LoadOne>
auto load_sources(const DataSources& path, const LoadOne& load_one) {
  auto all = load_one(std::size_t{0});
  double share = path[0].share;
  for (std::size_t i = 1; i < path.size(); ++i) {
    share += path[i].share;
    data::mix(all, load_one(i), path[i].share / share);
  }
  return all;
}

/// `policy` for source i. Its held-out data come with the first.
template <class Policy>
Policy of_source(const Policy& policy, const DataSources& path, std::size_t i) {
  Policy own = policy;
  own.path = path[i].path;
  if (i > 0) own.validation_path = {};
  return own;
}

/// `policy` for each of the paths.
template <class Policy>
struct FromSources {
  DataSources path{};
  Policy policy{};

  void validate() const {
    path.validate();
    of_source(policy, path, 0).validate();
  }

  auto kind() const { return policy.kind(); }
  auto load(const data::LoadContext& context) const {
    return load_sources(path,
                        [&](std::size_t i) { return of_source(policy, path, i).load(context); });
  }
};

template <class Policy>
FromSources(DataSources, Policy) -> FromSources<Policy>;

}  // namespace posttrain
