// SPDX-License-Identifier: Apache-2.0
// Requests worked on to their end, by whatever core of a generator.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/generate/request.hpp"

namespace posttrain::detail {

/// Adds requests to a core and works until nothing is left: all samples of these requests, each
/// request's together and in order. What else was queued is left for `take`.
template <class Core>
std::vector<std::vector<Completion>> run_requests(Core& core, std::vector<Request> requests) {
  std::vector<std::int64_t> ids, firsts;
  std::vector<std::vector<Completion>> all;
  for (Request& request : requests) {
    firsts.push_back(request.first_sample);
    all.emplace_back(static_cast<std::size_t>(std::max<std::int64_t>(request.samples, 0)));
    ids.push_back(core.add(std::move(request)));
  }
  while (core.step()) {
  }
  for (Completion& sample : core.take()) {
    const auto at = static_cast<std::size_t>(std::ranges::find(ids, sample.request) - ids.begin());
    if (at == ids.size()) {  // of an earlier request
      core.keep(std::move(sample));
      continue;
    }
    all[at][static_cast<std::size_t>(sample.sample - firsts[at])] = std::move(sample);
  }
  return all;
}

}  // namespace posttrain::detail
