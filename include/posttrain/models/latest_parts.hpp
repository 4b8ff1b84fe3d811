// SPDX-License-Identifier: Apache-2.0
// The attention parts of the batch that a model read last. Policy and reference, the pass that
// gathers and the one that trains read the same batch one after another: its parts, and what a
// device needs of them, are made once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/nn/attention_parts.hpp"

namespace posttrain::models {

using PartsByWindow = std::map<std::int64_t, AttentionParts>;

class LatestParts {
 public:
  /// Those of these segments behind `prefix` keys; made by `make()` where they are not the latest.
  template <class Make>
  std::shared_ptr<const PartsByWindow> get(const std::vector<Segment>& nodes, std::int64_t prefix,
                                           const Make& make) {
    const std::scoped_lock lock(mutex_);
    if (!parts_ || prefix != prefix_ || nodes != nodes_) {
      parts_ = std::make_shared<const PartsByWindow>(make());
      nodes_ = nodes;
      prefix_ = prefix;
    }
    return parts_;
  }

 private:
  std::mutex mutex_;
  std::vector<Segment> nodes_;
  std::int64_t prefix_ = 0;
  std::shared_ptr<const PartsByWindow> parts_;
};

}  // namespace posttrain::models
