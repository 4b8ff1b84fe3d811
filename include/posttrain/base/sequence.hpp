// SPDX-License-Identifier: Apache-2.0
// One tokenised training sequence on the host: what the model reads and what the loss scores.
#pragma once

#include <cstdint>
#include <vector>

namespace posttrain {

using TokenId = std::int32_t;
using TokenIds = std::vector<TokenId>;

/// Token ids with, for each, the weight of *predicting* it from what precedes. 0 means "read, not
/// scored". The first weight is ignored: nothing precedes the first token. Masks are made from
/// spans and lengths only, never from token values.
struct Sequence {
  TokenIds ids;
  std::vector<float> weights;  // same length as ids
  std::int64_t sample = -1;    // index in the data source, for reports

  /// Number of tokens that the loss scores.
  std::int64_t counted() const {
    std::int64_t count = 0;
    for (std::size_t i = 1; i < weights.size(); ++i) count += weights[i] != 0.0F;
    return count;
  }
};

}  // namespace posttrain
